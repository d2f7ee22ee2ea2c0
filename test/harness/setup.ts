import { rmSync } from "node:fs";
import { temporary } from "./folder.ts";

/** Runs once before all test files and returns what runs after them. */
export default function setup(): () => void {
  rmSync(temporary, { recursive: true, force: true });
  return () => rmSync(temporary, { recursive: true, force: true });
}
