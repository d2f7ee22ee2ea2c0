/** JSON's value, in which numbers that JavaScript would write otherwise keep the digits that they have in the text. */
export function parseAsWritten(text: string): unknown {
  return JSON.parse(text, asWritten);
}

function asWritten(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
}
