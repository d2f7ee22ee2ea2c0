/** The command line asks for what there is not. Its message is all that the user sees. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The word that was probably meant, as a question, if one is near enough. */
export function suggestion(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: editsBetween(word, candidate) }))
    .filter(({ candidate, edits }) => edits <= Math.max(word.length, candidate.length) / 3)
    .sort((a, b) => a.edits - b.edits);
  return ranked[0] && `did you mean ${ranked[0].candidate}?`;
}

/** Levenshtein's distance, row by row. */
function editsBetween(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...from].entries()) {
    const row = [index + 1];
    for (const [column, other] of [...to].entries()) {
      const replaced = (above[column] as number) + (letter === other ? 0 : 1);
      row.push(Math.min(replaced, (above[column + 1] as number) + 1, (row[column] as number) + 1));
    }
    above = row;
  }
  return above[to.length] as number;
}
