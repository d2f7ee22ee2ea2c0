import { Environment, type ParseResult, type SourceRange } from "@marcbachmann/cel-js";
import { toBase64 } from "./base64.ts";
import type { CloudEvent, Match } from "./blocks/pubsub/api.ts";
import { configurationError } from "./errors.ts";

/**
 * A rule's `match` in the Common Expression Language, as in Dapr's subscriptions: `event` is the CloudEvent with its data
 * parsed, and JSON's numbers are doubles. The expression is compiled here, once. Throws `ERR_CONFIGURATION`, with the rule's
 * text and the column, for one that does not compile or cannot be true or false. The match throws where the expression
 * does, such as for an attribute that is not there, and where its result is neither true nor false.
 */
export function cel(rule: string): Match {
  const evaluate = compile(rule);
  const encoded = rule.includes("data_base64");
  return (event) => {
    let result: unknown;
    try {
      result = evaluate({ event: encoded ? withBase64(event) : event });
    } catch (cause) {
      // The evaluator's own words may quote the event.
      const { code = "failed", range } = cause as Fault;
      throw new Error(`the rule ${rule}${placeOf(rule, range)}: ${code.replaceAll("_", " ")}`);
    }
    if (typeof result === "boolean") return result;
    throw new Error(`the rule ${rule}: its result is no boolean`);
  };
}

/** What the parser, the checker and the evaluator throw. */
interface Fault {
  readonly code?: string;
  readonly summary?: string;
  readonly range?: SourceRange | undefined;
}

function compile(rule: string): ParseResult {
  if (typeof rule !== "string") throw configurationError(`a rule is text, not ${typeof rule}`);
  // Lists of mixed types are Dapr's default too.
  const environment = new Environment({ homogeneousAggregateLiterals: false });
  environment.registerVariable("event", "map<string, dyn>");
  let compiled: ParseResult;
  try {
    compiled = environment.parse(rule);
  } catch (cause) {
    throw invalid(rule, cause as Fault);
  }
  const { error, type } = compiled.check();
  if (error) throw invalid(rule, error);
  if (type === "bool" || type === "dyn") return compiled;
  throw configurationError(`the rule ${rule} is neither true nor false: it is ${type}`);
}

function invalid(rule: string, { summary, range }: Fault) {
  return configurationError(`the rule ${rule}${placeOf(rule, range)}: ${summary}`);
}

/** Line and column, both from 1. */
function placeOf(rule: string, range: SourceRange | undefined): string {
  if (!range) return "";
  const lines = rule.slice(0, range.start).split("\n");
  const column = `column ${(lines.at(-1) as string).length + 1}`;
  return lines.length > 1 ? `, line ${lines.length}, ${column}` : `, ${column}`;
}

/** Dapr's rules see binary data as it stands in the message. */
function withBase64(event: CloudEvent): CloudEvent {
  const { data } = event;
  return data instanceof Uint8Array ? { ...event, data_base64: toBase64(data) } : event;
}
