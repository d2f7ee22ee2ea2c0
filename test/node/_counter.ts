import type { State } from "../../src/index.ts";

/** Counts up one key, `times` by each of many writers at once, and starts again after every conflict. */
export async function countUp(state: State, writers: number, times: number): Promise<void> {
  const count = async () => {
    for (let time = 0; time < times; time++) {
      await state.update("counter", (value: number | undefined) => (value ?? 0) + 1, {
        attempts: 1000,
      });
    }
  };
  await Promise.all(Array.from({ length: writers }, count));
}
