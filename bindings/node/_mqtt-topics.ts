/** A subscription's topic: `$share/<group>/` before it is for the broker alone. */
export function filterOf(topic: string): string {
  const [, filter] = /^\$share\/[^/]+\/([\s\S]*)$/.exec(topic) ?? [];
  return filter ?? topic;
}

/** Whether a topic fits a filter: `+` stands for one level, `#` at the end for all further ones and the one above them. */
export function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  // What begins with a dollar sign is the broker's own, and no wildcard at the beginning stands for it.
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (index >= levels.length || (level !== "+" && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}

/** What is wrong with a filter: a wildcard has a level of its own, and `#` is the last. */
export function problemOf(filter: string): string | undefined {
  if (filter === "" || filter.includes("\0")) return "it must not be empty, nor have U+0000 in it";
  const levels = filter.split("/");
  const mixed = levels.find((level) => /[+#]/.test(level) && level.length > 1);
  if (mixed !== undefined) return `the level ${mixed} has more than its wildcard`;
  const hash = levels.indexOf("#");
  return hash >= 0 && hash < levels.length - 1 ? "# must be its last level" : undefined;
}

/** Whether something can be published to it. */
export function isTopic(topic: string): boolean {
  return topic !== "" && !/[+#\0]/.test(topic);
}
