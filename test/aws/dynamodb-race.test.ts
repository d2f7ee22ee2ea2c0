import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { startDynamoDB } from "../harness/dynamodb.ts";
import { absent, component, emulators } from "./_beds.ts";

const writer = fileURLToPath(new URL("_writer.ts", import.meta.url));

for (const emulator of emulators) {
  const reason = absent(emulator);
  test.skipIf(reason)(
    `64 writers in two processes, one on each transport, lose no update, ${emulator}${reason ? ` (skipped: ${reason})` : ""}`,
    async () => {
      const dynamodb = await startDynamoDB({ emulator });
      try {
        await dynamodb.createTable("race", {});
        const conflicts = await Promise.all(
          ["light", "sdk"].map((transport) => count(dynamodb.endpoint, transport)),
        );
        expect(Math.min(...conflicts)).toBeGreaterThan(0);
        const components = { store: component("light", dynamodb.endpoint, { table: "race" }) };
        await using runtime = createRuntime({ id: "race", components, host: processHost("node") });
        expect(await runtime.blocks.state("store").get("counter")).toBe(128);
      } finally {
        await dynamodb.stop();
      }
    },
    120_000,
  );
}

/** 32 writers, twice each. Resolves to the conflicts that they saw. */
function count(endpoint: string, transport: string): Promise<number> {
  const child = spawn(process.execPath, [writer, endpoint, transport, "32", "2"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once("close", (code) =>
      code === 0 ? resolve(Number(output.split(" ")[1])) : reject(new Error(`ended with ${code}`)),
    );
  });
}
