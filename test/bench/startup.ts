import { spawn } from "node:child_process";
import { once } from "node:events";
import { root } from "../harness/folder.ts";
import { interleave, type Row } from "./measure.ts";

export async function startup(): Promise<Row[]> {
  return [
    {
      what: "Node: from the start of the process to the first answer",
      reference: "the same Hono app on plain node:http",
      unit: "ms",
      ...(await interleave(
        () => firstAnswer("node"),
        () => firstAnswer("bare-node"),
        11,
      )),
      goal: { plus: 25 },
    },
  ];
}

async function firstAnswer(name: string): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, [`${root}/test/bench/apps/${name}.ts`], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [url] = await once(child.stdout, "data");
  await (await fetch(String(url).trim())).text();
  const ms = performance.now() - started;
  child.kill("SIGKILL");
  return ms;
}
