export interface Mutant {
  /** What the code no longer does. */
  readonly name: string;
  readonly file: string;
  /** Text that stands exactly once in the file. */
  readonly replace: string;
  readonly by: string;
  /** The tests that must notice. */
  readonly tests: readonly string[];
}
