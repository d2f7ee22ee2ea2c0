/** Takes as long for any two texts of the length of the first. */
export function isSame(given: string, wanted: string): boolean {
  let difference = given.length ^ wanted.length;
  for (let at = 0; at < given.length; at++) {
    difference |= given.charCodeAt(at) ^ wanted.charCodeAt(at % wanted.length);
  }
  return difference === 0;
}

/** Probes carry no token. */
export function isOpen(method: string, segments: readonly string[]): boolean {
  if (method !== "GET") return false;
  const path = segments.join("/");
  return path === "v1.0/healthz" || path === "v1.0/healthz/outbound";
}
