import { cpSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";
import { run } from "./_consumer.ts";
import {
  globals,
  imports,
  type Rule,
  readTree,
  registered,
  shakeable,
  type Tree,
  tested,
} from "./_rules.ts";

/** On two cores beside other tests. */
const COMPILE_MS = 120_000;

describe("the compiler refuses", () => {
  const useNode = "export const probe = () => [Buffer.from(process.title)];\n";
  const importOf = (path: string) => `export * from "${path}";\n`;
  const sound = "export const probe = () => new URL(crypto.randomUUID());\n";

  /** Files by project, with the names that TypeScript must complain about in each. */
  const probes = {
    src: {
      "src/probe-sound.ts": [sound, []],
      "src/probe-globals.ts": [useNode, ["Buffer", "process"]],
      "src/blocks/probe-builtin.ts": [importOf("node:fs"), ["node:fs"]],
      "src/probe-binding.ts": [importOf("../bindings/memory.ts"), ["bindings/memory.ts"]],
      "src/probe-target.ts": [
        importOf("../targets/_process/host.ts"),
        ["targets/_process/host.ts"],
      ],
    },
    bindings: {
      "bindings/probe-globals.ts": [useNode, ["Buffer", "process"]],
      "bindings/aws/probe-sound.ts": [sound, []],
      "bindings/aws/probe-globals.ts": [useNode, ["Buffer", "process"]],
      "bindings/aws/probe-builtin.ts": [importOf("node:crypto"), ["node:crypto"]],
      "bindings/aws/probe-node.ts": [importOf("../node/sqlite.ts"), ["bindings/node/sqlite.ts"]],
      "bindings/cloudflare/probe-globals.ts": [useNode, ["Buffer", "process"]],
      "bindings/cloudflare/probe-target.ts": [
        importOf("../../targets/workers/host.ts"),
        ["targets/workers/host.ts"],
      ],
    },
    "targets/workers": {
      "targets/workers/probe-sound.ts": [sound, []],
      "targets/workers/probe-globals.ts": [useNode, ["Buffer", "process"]],
      "targets/workers/probe-node.ts": [
        importOf("../../bindings/node/sqlite.ts"),
        ["bindings/node/sqlite.ts"],
      ],
      "targets/workers/probe-target.ts": [importOf("../node/open.ts"), ["targets/node/open.ts"]],
    },
    "bindings/node": {
      "bindings/node/probe-globals.ts": [useNode, []],
      "bindings/node/probe-builtin.ts": [importOf("node:fs"), []],
      "bindings/node/probe-target.ts": [
        importOf("../../targets/node/open.ts"),
        ["targets/node/open.ts"],
      ],
    },
  } as const;

  let copy: string;

  beforeAll(() => {
    copy = newFolder("layers");
    const parts = ["src", "bindings", "targets", "dist", "tsconfig.json", "package.json"];
    for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true });
    for (const files of Object.values(probes))
      for (const [path, [text]] of Object.entries(files)) writeFileSync(join(copy, path), text);
  });

  test.concurrent.each(Object.entries(probes))(
    "what breaks a layer in %s",
    async (project, files) => {
      const findings = await compile(copy, project);
      const expected = Object.entries(files).map(([path, [, names]]) => [path, [...names].sort()]);
      const found = expected.map(([path]) => [path, complaints(findings, path as string)]);
      expect(found).toEqual(expected);
    },
    COMPILE_MS,
  );

  async function compile(folder: string, project: string): Promise<string[]> {
    const tsc = join(root, "node_modules/.bin/tsc");
    const words = ["--noEmit", "--pretty", "false", "-p", project];
    const { stdout } = await run(tsc, words, { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    return stdout.split("\n").filter((line) => line.includes(": error TS"));
  }

  /** What the errors of a file name: a variable, a module, or a file that the project does not list. */
  function complaints(findings: readonly string[], path: string): string[] {
    const names = findings
      .filter((line) => line.startsWith(`${path}(`))
      .map((line) => /error TS\d+: [^']*'([^']+)'/.exec(line)?.[1] ?? line)
      .map((name) => name.replace(`${copy}/`, ""));
    return [...new Set(names)].sort();
  }
});

/** Which files may import the drivers of services. */
const drivers: Readonly<Record<string, RegExp>> = {
  "@aws-sdk/": /^bindings\/aws\/[\w-]+-sdk\.ts$/,
  "@nats-io/": /^bindings\/node\/_?nats[\w-]*\.ts$/,
  amqplib: /^bindings\/node\/_?rabbitmq[\w-]*\.ts$/,
  "@upstash/redis": /^bindings\/_?upstash[\w-]*\.ts$/,
  mqtt: /^bindings\/node\/_?mqtt[\w-]*\.ts$/,
  kafkajs: /^bindings\/node\/_?kafka[\w-]*\.ts$/,
  ioredis: /^bindings\/node\/_?redis[\w-]*\.ts$/,
  pg: /^bindings\/node\/_?postgresql[\w-]*\.ts$/,
};

/** A file of the same folder, or the portable part of a provider whose driver needs Node. */
function isNear(target: string, path: string): boolean {
  return dirname(target) === dirname(path) || /^bindings\/_[\w-]+\.ts$/.test(target);
}

describe("the sources keep the rule that", () => {
  const tree = readTree();

  /** Each rule, with sources that break it and what must then be said. */
  const rules: Record<string, { rule: Rule; broken: Tree; says: string[] }> = {
    "src imports only itself and the chosen libraries": {
      rule: imports(
        /^src\//,
        (target, path) =>
          /^(src\/|hono(\/|$))/.test(target) ||
          (target === "@marcbachmann/cel-js" && path === "src/cel.ts"),
      ),
      broken: {
        "src/x.ts": `const y = await import("node:fs"); import "../bindings/memory.ts"; import "@marcbachmann/cel-js";`,
      },
      says: [
        "src/x.ts imports node:fs",
        "src/x.ts imports bindings/memory.ts",
        "src/x.ts imports @marcbachmann/cel-js",
      ],
    },
    "src uses no global of a platform": {
      rule: globals(/^src\//, ["process", "globalThis", "Buffer", "console", "caches", "require"]),
      broken: {
        "src/x.ts": "// process\nexport const y = [a.process, { console: globalThis.z }];",
      },
      says: ["src/x.ts uses globalThis"],
    },
    "bindings import only contracts, errors, settings, base64, bags and their own provider": {
      rule: imports(/^bindings\/(?!node\/registry\.)/, (target, path) =>
        target.startsWith("node:")
          ? path.startsWith("bindings/node/")
          : /^(bindings|src)\//.test(target)
            ? /^src\/(contracts\/|(bag|base64|errors|settings)\.ts$)/.test(target) ||
              isNear(target, path)
            : Object.entries(drivers).some(
                ([driver, allowed]) => target.startsWith(driver) && allowed.test(path),
              ),
      ),
      broken: {
        "bindings/aws/x.ts": `import type { Y } from "../cloudflare/_object.ts"; export * from "../memory.ts"; import "node:fs"; import "@aws-sdk/client-s3";`,
        "bindings/node/x.ts": `import "node:fs"; export type Z = import("../../src/runtime.ts").Runtime; await import("pg");`,
        "bindings/node/_redis-x.ts": `import "../_redis.ts"; import "../memory.ts"; await import("ioredis"); import "left-pad";`,
      },
      says: [
        "bindings/aws/x.ts imports bindings/cloudflare/_object.ts",
        "bindings/aws/x.ts imports bindings/memory.ts",
        "bindings/aws/x.ts imports node:fs",
        "bindings/aws/x.ts imports @aws-sdk/client-s3",
        "bindings/node/x.ts imports src/runtime.ts",
        "bindings/node/x.ts imports pg",
        "bindings/node/_redis-x.ts imports bindings/memory.ts",
        "bindings/node/_redis-x.ts imports left-pad",
      ],
    },
    "a target imports no other": {
      rule: imports(/^targets\//, (target, path) =>
        target.startsWith("targets/")
          ? folderOf(target) === folderOf(path) || /^targets\/_/.test(target)
          : !target.startsWith("examples/"),
      ),
      broken: { "targets/workers/x.ts": `import "../node/open.ts"; import "../_process/host.ts";` },
      says: ["targets/workers/x.ts imports targets/node/open.ts"],
    },
    "only Node's targets and the command line import the registry": {
      rule: imports(
        /^(src|bindings|targets|examples)\//,
        (target, path) =>
          !target.endsWith("node/registry.ts") || /^targets\/(node|cli)\//.test(path),
      ),
      broken: {
        "targets/_process/x.ts": `import { registry } from "../../bindings/node/registry.ts";`,
        "targets/node/x.ts": `await import("../../bindings/node/registry.ts");`,
      },
      says: ["targets/_process/x.ts imports bindings/node/registry.ts"],
    },
    "examples use the package by its public name": {
      rule: imports(/^examples\//, (target) => /^(examples\/|pillion(\/|$)|hono$)/.test(target)),
      broken: {
        "examples/orders/x.ts": `import { App } from "../../src/app.ts"; import "pillion/node";`,
      },
      says: ["examples/orders/x.ts imports src/app.ts"],
    },
    "only the command line writes to the console": {
      rule: globals(/^(src|bindings|targets\/(?!cli\/))/, ["console"]),
      broken: { "bindings/aws/x.ts": "console.log(1);", "targets/cli/x.ts": "console.log(1);" },
      says: ["bindings/aws/x.ts uses console"],
    },
    "every component has its line in the registry, and every line its component": {
      rule: registered,
      broken: {
        "bindings/x.ts": `export const state = /* @__PURE__ */ stateStore({\n  type: "state.made-up",`,
        "bindings/memory.ts": "",
      },
      says: [
        "state.made-up of bindings/x.ts is not in the registry",
        "pubsub.in-memory of bindings/memory.ts is only in the registry",
        "state.in-memory of bindings/memory.ts is only in the registry",
      ],
    },
    "every component is named in a test": {
      rule: tested,
      broken: { "bindings/x.ts": `stateStore({ type: "state.made-up",` },
      says: ["state.made-up of bindings/x.ts is named in no test"],
    },
    "every component can be shaken off": {
      rule: shakeable,
      broken: { "bindings/x.ts": `export const state = stateStore({ type: "state.made-up",` },
      says: ["bindings/x.ts calls its factory without /* @__PURE__ */"],
    },
  };

  test.each(Object.entries(rules))("%s", (_name, { rule, broken, says }) => {
    expect(rule(tree)).toEqual([]);
    expect(rule({ ...tree, ...broken })).toEqual(says);
  });

  test("are the real ones", () => {
    const areas = [
      "src/index.ts",
      "bindings/aws/dynamodb.ts",
      "targets/cli/bin.ts",
      "examples/orders/app.ts",
    ];
    expect(Object.keys(tree)).toEqual(expect.arrayContaining(areas));
  });
});

function folderOf(path: string): string | undefined {
  return path.split("/")[1];
}
