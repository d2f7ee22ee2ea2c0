/** One request and the literal answer that every target must give. */
export interface Step {
  readonly title: string;
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: unknown;
  /** Asks again, for as long as a broker may take, until the answer is the expected one. */
  readonly until?: true;
  /** Sends the ETag that the path's last GET answered as If-Match. */
  readonly ifMatch?: true;
  readonly status: number;
  /** Absent: the body must be empty. */
  readonly answer?: unknown;
}

/** Done between two steps. */
export type Act = { readonly wait: number } | { readonly kill: true };

export const steps: readonly (Step | Act)[] = [
  {
    title: "create",
    method: "POST",
    path: "/orders",
    body: { id: "o-1", item: "saddle", quantity: 2 },
    status: 201,
    answer: { id: "o-1", item: "saddle", quantity: 2, status: "placed" },
  },
  {
    title: "create again",
    method: "POST",
    path: "/orders",
    body: { id: "o-1", item: "saddle", quantity: 9 },
    status: 409,
    answer: { error: "order o-1 exists" },
  },
  {
    title: "read",
    method: "GET",
    path: "/orders/o-1",
    status: 200,
    answer: { id: "o-1", item: "saddle", quantity: 2, status: "placed" },
  },
  {
    title: "read what is not there",
    method: "GET",
    path: "/orders/o-2",
    status: 404,
    answer: { error: "not found" },
  },
  {
    title: "update under the ETag",
    method: "PUT",
    path: "/orders/o-1",
    body: { quantity: 3 },
    ifMatch: true,
    status: 200,
    answer: { id: "o-1", item: "saddle", quantity: 3, status: "placed" },
  },
  {
    title: "conflicting update",
    method: "PUT",
    path: "/orders/o-1",
    body: { quantity: 4 },
    ifMatch: true,
    status: 409,
    answer: { error: "order o-1 was changed by somebody else" },
  },
  {
    title: "ship without stock",
    method: "POST",
    path: "/orders/o-1/ship",
    status: 409,
    answer: { error: "not enough saddle in stock" },
  },
  {
    title: "put into stock",
    method: "PUT",
    path: "/stock/saddle",
    body: { count: 4 },
    status: 204,
  },
  {
    title: "read-modify-write",
    method: "POST",
    path: "/stock/saddle/add/1",
    status: 200,
    answer: { count: 5 },
  },
  {
    title: "ship (transaction)",
    method: "POST",
    path: "/orders/o-1/ship",
    status: 200,
    answer: { id: "o-1", item: "saddle", quantity: 3, status: "shipped" },
  },
  {
    title: "ship again",
    method: "POST",
    path: "/orders/o-1/ship",
    status: 409,
    answer: { error: "order o-1 is shipped" },
  },
  {
    title: "both were written",
    method: "GET",
    path: "/stock/saddle",
    status: 200,
    answer: { count: 2 },
  },
  {
    title: "cart for 2 s",
    method: "PUT",
    path: "/carts/c-1",
    body: { items: ["saddle", "bänd"] },
    status: 204,
  },
  {
    title: "read the cart",
    method: "GET",
    path: "/carts/c-1",
    status: 200,
    answer: { items: ["saddle", "bänd"] },
  },
  { wait: 3100 },
  {
    title: "the cart has ended",
    method: "GET",
    path: "/carts/c-1",
    status: 404,
    answer: { error: "not found" },
  },
  { kill: true },
  {
    title: "read after kill -9",
    method: "GET",
    path: "/orders/o-1",
    status: 200,
    answer: { id: "o-1", item: "saddle", quantity: 3, status: "shipped" },
  },
  {
    title: "read the stock",
    method: "GET",
    path: "/stock/saddle",
    status: 200,
    answer: { count: 2 },
  },
  {
    title: "update after kill -9",
    method: "POST",
    path: "/stock/saddle/add/8",
    status: 200,
    answer: { count: 10 },
  },
  {
    title: "order four more",
    method: "POST",
    path: "/orders",
    body: { id: "o-2", item: "saddle", quantity: 4 },
    status: 201,
    answer: { id: "o-2", item: "saddle", quantity: 4, status: "placed" },
  },
  { title: "pay (publish)", method: "POST", path: "/orders/o-2/pay", status: 202 },
  {
    title: "two subscribers shipped it",
    method: "GET",
    path: "/orders/o-2",
    until: true,
    status: 200,
    answer: { id: "o-2", item: "saddle", quantity: 4, status: "shipped" },
  },
  {
    title: "out of the stock",
    method: "GET",
    path: "/stock/saddle",
    status: 200,
    answer: { count: 6 },
  },
  {
    title: "order what there is none of",
    method: "POST",
    path: "/orders",
    body: { id: "o-3", item: "unicorn", quantity: 1 },
    status: 201,
    answer: { id: "o-3", item: "unicorn", quantity: 1, status: "placed" },
  },
  { title: "pay for it", method: "POST", path: "/orders/o-3/pay", status: 202 },
  {
    title: "dead-lettered after a retry",
    method: "GET",
    path: "/refunds/o-3",
    until: true,
    status: 200,
    answer: { id: "o-3", item: "unicorn", quantity: 1 },
  },
  {
    title: "and not shipped",
    method: "GET",
    path: "/orders/o-3",
    status: 200,
    answer: { id: "o-3", item: "unicorn", quantity: 1, status: "placed" },
  },
];

/** Milliseconds after which a message that has not arrived never will. */
const PATIENCE_MS = 30_000;

export interface Outcome {
  readonly title: string;
  readonly ms: number;
  /** What was wrong with the answer; absent when it was the expected one. */
  readonly problem?: string;
}

/** Takes one target through all steps; `restart` must end it as a crash does, and start it again. */
export async function walk(
  url: () => string,
  restart: () => Promise<void>,
  told?: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const etags = new Map<string, string>();
  for (const step of steps) {
    if ("wait" in step) await new Promise((resolve) => setTimeout(resolve, step.wait));
    else if ("kill" in step) await restart();
    else {
      const outcome = await take(step, url(), etags);
      outcomes.push(outcome);
      told?.(outcome);
    }
  }
  return outcomes;
}

async function take(step: Step, url: string, etags: Map<string, string>): Promise<Outcome> {
  const started = performance.now();
  for (;;) {
    const outcome = await ask(step, url, etags);
    const ms = performance.now() - started;
    if (!step.until || !outcome.problem || ms > PATIENCE_MS) return { ...outcome, ms };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function ask(step: Step, url: string, etags: Map<string, string>): Promise<Outcome> {
  const { title, method, path, body, ifMatch } = step;
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (ifMatch) headers["if-match"] = etags.get(path) ?? "";
  const started = performance.now();
  try {
    const response = await fetch(url + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    const ms = performance.now() - started;
    const etag = response.headers.get("etag");
    if (etag) etags.set(path, etag);
    const got = `${response.status} ${text}`;
    const wanted = `${step.status} ${step.answer === undefined ? "" : JSON.stringify(step.answer)}`;
    return got === wanted
      ? { title, ms }
      : { title, ms, problem: `expected ${wanted}, got ${got}` };
  } catch (error) {
    return { title, ms: performance.now() - started, problem: String(error) };
  }
}
