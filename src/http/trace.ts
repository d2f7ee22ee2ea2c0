import { traceFrom } from "../call.ts";
import type { Trace } from "../contracts/host.ts";
import { Refusal, text } from "./answers.ts";
import type { ApiRequest } from "./contract.ts";

/** What W3C lets a sender rely on. */
const MAX_BAGGAGE = 8192;
const KEY = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = "[!#-+\\--:<-\\[\\]-~]+";
const MEMBER = new RegExp(
  // No blank can be taken in two ways: the time would double with every one.
  `^[ \\t]*${KEY}[ \\t]*=[ \\t]*(?:${VALUE}[ \\t]*)?(?:;[ \\t]*${KEY}[ \\t]*(?:=[ \\t]*(?:${VALUE}[ \\t]*)?)?)*$`,
);

/** The caller's trace context. Refuses baggage that cannot be handed on. */
export function traceOf(request: ApiRequest): Trace {
  const trace = traceFrom((name) => request.header(name));
  if (trace.baggage && !isBaggage(trace.baggage))
    throw new Refusal(text(400, "invalid baggage header"));
  return trace;
}

/** Without an exporter there are no spans of our own, so that a response names the caller's. */
export function addTrace(headers: Record<string, string>, trace: Trace): void {
  if (trace.traceparent) headers.traceparent = trace.traceparent;
  if (trace.tracestate) headers.tracestate = trace.tracestate;
  if (trace.baggage) headers.baggage = trace.baggage;
}

function isBaggage(baggage: string): boolean {
  if (baggage.length > MAX_BAGGAGE || /%(?![0-9a-f]{2})/i.test(baggage)) return false;
  return baggage.split(",").every((member) => MEMBER.test(member));
}
