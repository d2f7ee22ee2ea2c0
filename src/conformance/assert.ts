/** The few checks that the cases need, without a test runner, so that they run inside any platform. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const [got, wanted] = [show(actual), show(expected)];
  if (got !== wanted) throw new Error(`${what}: expected ${wanted}, got ${got}`);
}

export function ok(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Resolves to what `work` rejected with. */
export async function rejection(work: Promise<unknown>, what: string): Promise<Error> {
  let result: unknown;
  try {
    result = await work;
  } catch (error) {
    ok(error instanceof Error, `${what}: rejected with something that is not an Error`);
    return error;
  }
  throw new Error(`${what}: expected a rejection, got ${show(result)}`);
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes ${[...value].join(" ")}`;
  if (value === undefined || typeof value !== "object" || value === null)
    return JSON.stringify(value) ?? String(value);
  if (value instanceof Date) return value.toISOString();
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${show(member)}`)
    .join(",")}}`;
}
