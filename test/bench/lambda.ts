import { join } from "node:path";
import { newFolder, root } from "../harness/folder.ts";
import { startLambda } from "../harness/lambda.ts";
import { bundleNode } from "../harness/node.ts";
import { figures, type Row } from "./measure.ts";

const ROUNDS = 11;
const event = {
  version: "2.0",
  rawPath: "/",
  rawQueryString: "",
  headers: { host: "localhost" },
  requestContext: {
    http: { method: "GET", path: "/" },
    stage: "$default",
    domainName: "localhost",
  },
  isBase64Encoded: false,
};

export async function lambda(): Promise<Row[]> {
  const dir = newFolder("bench");
  const names = ["lambda", "bare-lambda"] as const;
  for (const name of names)
    await bundleNode(`${root}/test/bench/apps/${name}.ts`, join(dir, `${name}.mjs`), true);
  const init = { lambda: [] as number[], "bare-lambda": [] as number[] };
  const first = { lambda: [] as number[], "bare-lambda": [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of round % 2 ? names : names.toReversed()) {
      await using sandbox = await startLambda({ dir, handler: `${name}.handler` });
      init[name].push(sandbox.initMs);
      const started = performance.now();
      await sandbox.invoke(event);
      first[name].push(performance.now() - started);
    }
  }
  const row = (what: string, times: typeof init): Row => ({
    what: `Lambda: ${what}`,
    reference: "the same Hono app under hono/aws-lambda and the same runtime client",
    unit: "ms",
    ...figures(times.lambda, times["bare-lambda"]),
    goal: { plus: 8 },
  });
  return [row("INIT", init), row("first invoke", first)];
}
