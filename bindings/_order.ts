/** The first text in the order of code points, which is that of UTF-8's bytes, that is past every text that starts with `prefix`. */
export function after(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    // U+D800 to U+DFFF are surrogates, no characters of their own.
    if (last < 0x10ffff)
      return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}
