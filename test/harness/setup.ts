import { temporary } from "./folder.ts";

/** Runs once before all test files, in the process whose environment theirs inherit. */
export default function setup(): void {
  process.env.PILLION_TEST_FOLDER = temporary;
}
