/** What `clean` would change: a segment that is empty, `.` or `..`. */
const UNCLEAN = /\/\.{0,2}(\/|$)/;

/** The segments of a path that is still encoded: empty ones and `.` go, `..` takes the one before it along. */
export function segmentsOf(path: string): string[] {
  const segments = path.split("/");
  segments.shift();
  return UNCLEAN.test(path) ? clean(segments) : segments;
}

function clean(segments: readonly string[]): string[] {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  return kept;
}

/** Text of a path or query, in which `+` is a space. Undefined for a bad escape, also of bytes that are no UTF-8. */
export function decoded(text: string): string | undefined {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return undefined;
  }
}
