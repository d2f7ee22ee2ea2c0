import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { newFolder, root } from "../harness/folder.ts";
import { bundleNode } from "../harness/node.ts";
import { bundleWorker } from "../harness/workers.ts";
import { figures, type Row } from "./measure.ts";

export async function bundles(): Promise<Row[]> {
  const folder = newFolder("bundles");
  const size = async (bundle: typeof bundleWorker, name: string) => {
    const file = join(folder, `${name}.mjs`);
    await bundle(`${root}/test/bench/apps/${name}.ts`, file, true);
    return gzipSync(readFileSync(file)).byteLength / 1000;
  };
  const shared = {
    unit: "kB gzip",
    reference: "the same Hono app without pillion, minified by esbuild",
  };
  return [
    {
      what: "Workers bundle: core and the default component",
      ...shared,
      ...figures([await size(bundleWorker, "worker")], [await size(bundleWorker, "plain-worker")]),
      goal: { plus: 10 },
    },
    {
      what: "Lambda bundle: core and DynamoDB",
      ...shared,
      ...figures([await size(bundleNode, "lambda")], [await size(bundleNode, "bare-lambda")]),
      goal: { plus: 20 },
    },
    {
      what: "Lambda bundle: core, DynamoDB, SNS and SQS",
      ...shared,
      ...figures([await size(bundleNode, "lambda-queue")], [await size(bundleNode, "bare-lambda")]),
      goal: { plus: 20 },
    },
  ];
}
