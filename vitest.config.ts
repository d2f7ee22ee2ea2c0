import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/lambda/**", "**/node_modules/**"],
    globalSetup: "test/harness/setup.ts",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // One more than the cores that there may be: half of the time is waiting for servers.
    maxWorkers: 3,
    // Cases that wait for a server's clock wait together, and not in turns of five.
    maxConcurrency: 50,
    // What the compatibility matrix is made of: only a run with every server has all of it.
    reporters: process.env.CI
      ? ["default", ["json", { outputFile: ".tmp/results.json" }]]
      : ["default"],
  },
});
