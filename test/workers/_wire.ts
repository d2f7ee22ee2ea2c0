/** JSON in which bytes stay bytes and dates dates. */
export function toWire(value: unknown): string {
  return JSON.stringify(value, function replace(this: Record<string, unknown>, name, shown) {
    const held = this[name];
    if (held instanceof Uint8Array) return { $bytes: Array.from(held) };
    if (held instanceof Date) return { $date: held.getTime() };
    return shown;
  });
}

export function fromWire(text: string): unknown {
  return JSON.parse(text, (_name, value) => {
    if (value?.$bytes) return Uint8Array.from(value.$bytes);
    return value?.$date === undefined ? value : new Date(value.$date);
  });
}
