import { join } from "node:path";
import { newFolder, root } from "../harness/folder.ts";
import { startLambda } from "../harness/lambda.ts";
import { bundleNode } from "../harness/node.ts";
import { startNullDynamoDB } from "./dynamodb.ts";
import { figures, type Goal, type Row } from "./measure.ts";

const ROUNDS = 11;

export async function lambda(): Promise<Row[]> {
  const dynamodb = await startNullDynamoDB();
  const dir = newFolder("bench");
  for (const name of ["lambda", "bare-lambda", "sdk-lambda"]) {
    await bundleNode(`${root}/test/bench/apps/${name}.ts`, join(dir, `${name}.mjs`), true);
  }
  const env = { PILLION_TABLE: "bench", AWS_ENDPOINT_URL_DYNAMODB: dynamodb.endpoint };
  try {
    const bare = "the same Hono app under hono/aws-lambda and the same runtime client";
    const untouched = await coldStarts(dir, env, "bare-lambda", "/");
    const withRead = await coldStarts(dir, env, "sdk-lambda", "/get/1");
    return [
      row("INIT", bare, untouched.init, { plus: 8 }),
      row("first invoke", bare, untouched.first, { plus: 8 }),
      row(
        "INIT and a first invoke with one state.get",
        "the same read by the AWS SDK's DocumentClient, bundled, under hono/aws-lambda",
        sums(withRead),
        { ratio: 1 },
      ),
    ];
  } finally {
    dynamodb.stop();
  }
}

type Pairs = readonly (readonly [ours: number, theirs: number])[];

/** Starts a sandbox of ours and one of the reference in turns, and gives each the same first request. */
async function coldStarts(
  dir: string,
  env: Record<string, string>,
  reference: string,
  path: string,
): Promise<{ init: Pairs; first: Pairs }> {
  const init: [number, number][] = [];
  const first: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [inits, firsts]: [[number, number], [number, number]] = [
      [0, 0],
      [0, 0],
    ];
    for (const which of round % 2 ? [0, 1] : [1, 0]) {
      const handler = `${which === 0 ? "lambda" : reference}.handler`;
      await using sandbox = await startLambda({ dir, handler, env });
      const started = performance.now();
      const { error } = await sandbox.invoke(requestTo(path));
      if (error) throw new Error(error.errorMessage);
      inits[which] = sandbox.initMs;
      firsts[which] = performance.now() - started;
    }
    init.push(inits);
    first.push(firsts);
  }
  return { init, first };
}

function sums({ init, first }: { init: Pairs; first: Pairs }): Pairs {
  return init.map(([ours, theirs], index) => {
    const [a, b] = first[index] as readonly [number, number];
    return [ours + a, theirs + b];
  });
}

function row(what: string, reference: string, pairs: Pairs, goal: Goal): Row {
  const measured = figures(
    pairs.map(([ours]) => ours),
    pairs.map(([, theirs]) => theirs),
  );
  return { what: `Lambda: ${what}`, reference, unit: "ms", ...measured, goal };
}

function requestTo(path: string) {
  return {
    version: "2.0",
    rawPath: path,
    rawQueryString: "",
    headers: { host: "localhost" },
    requestContext: {
      http: { method: "GET", path },
      stage: "$default",
      domainName: "localhost",
    },
    isBase64Encoded: false,
  };
}
