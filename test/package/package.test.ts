import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeComponent } from "../../targets/cli/components.ts";
import { newFolder, root } from "../harness/folder.ts";
import { startWorkers } from "../harness/workers.ts";
import { type Consumer, filesIn, installConsumer, run } from "./_consumer.ts";
import { manifestOf, subpathsOf } from "./_exports.ts";

/** What is exported at run time; `types.test.ts` pins the types. */
const names: Readonly<Record<string, readonly string[]>> = {
  pillion: ["ApiError", "ComponentError", "defineApp", "pillion", "subscribe", "topic"],
  "pillion/aws/dynamodb": ["state"],
  "pillion/aws/dynamodb-sdk": ["sdk"],
  "pillion/aws/eventbridge": ["pubsub"],
  "pillion/aws/sns-sqs": ["pubsub"],
  "pillion/bulk": ["bulk"],
  "pillion/cel": ["cel"],
  "pillion/cloudflare/d1": ["state"],
  "pillion/cloudflare/durable-objects": ["state"],
  "pillion/cloudflare/kv": ["state"],
  "pillion/cloudflare/queues": ["pubsub"],
  "pillion/conformance": ["pubSubCases", "stateCases"],
  "pillion/contracts/cloudevents": ["binaryEvent"],
  "pillion/contracts/component": [],
  "pillion/contracts/host": [],
  "pillion/contracts/pubsub": ["pubSub"],
  "pillion/contracts/secrets": ["isGuarded", "secretStore"],
  "pillion/contracts/state": ["expiryOf", "stateStore"],
  "pillion/encryption": ["encrypted"],
  "pillion/env": ["secrets"],
  "pillion/http": ["createApi", "runtimeApi"],
  "pillion/lambda": ["open", "serve", "withPillion"],
  "pillion/inbox": ["inbox"],
  "pillion/memory": ["pubsub", "state"],
  "pillion/node": ["open", "serve"],
  "pillion/node/nats": ["pubsub"],
  "pillion/node/kafka": ["pubsub"],
  "pillion/node/mqtt": ["pubsub"],
  "pillion/node/postgresql": ["state", "stateV1"],
  "pillion/node/rabbitmq": ["pubsub"],
  "pillion/node/redis": ["pubsub", "state"],
  "pillion/node/registry": ["registry"],
  "pillion/node/sqlite": ["pubsub", "state"],
  "pillion/outbox": ["outbox"],
  "pillion/resources": ["resources"],
  "pillion/testing": ["virtualClock"],
  "pillion/upstash": ["state"],
  "pillion/workers": ["PillionObject", "open", "serve", "withPillion"],
};

/** Of what is unpacked. Half of it is the sidecar, bundled with the drivers that it may be asked for, so that it starts fast. */
const MAX_BYTES = 3_500_000;

let consumer: Consumer;

beforeAll(async () => {
  consumer = await installConsumer();
});
afterAll(() => consumer?.remove());

describe("the tarball", () => {
  test("holds the build, its manifest and its documents, and nothing else", () => {
    const others = filesIn(consumer.pillion).filter((path) => !isExpected(path));
    expect(others).toEqual([]);
    for (const stray of ["dist/src.tsbuildinfo", "dist/src/app.js.map", "test/memory.test.ts"])
      expect(isExpected(stray)).toBe(false);
  });

  test("holds no module whose source is gone: after a rename, dist must be removed and built again", () => {
    const modules = filesIn(join(consumer.pillion, "dist")).filter((path) => path.endsWith(".js"));
    const sourceOf = (path: string) => join(root, path.replace(/\.js$/, ".ts"));
    expect(modules.filter((path) => !existsSync(sourceOf(path)))).toEqual([]);
    expect(modules.length).toBeGreaterThan(50);
  });

  test("holds every document that package.json names and that is there", () => {
    const documents = manifestOf(consumer.pillion).files.filter(
      (name) => /^[A-Z]/.test(name) && existsSync(join(root, name)),
    );
    for (const name of documents) expect(existsSync(join(consumer.pillion, name)), name).toBe(true);
  });

  test(`unpacks to ${MAX_BYTES / 1000} kB at most`, () => {
    const bytes = filesIn(consumer.pillion)
      .map((path) => statSync(join(consumer.pillion, path)).size)
      .reduce((sum, size) => sum + size, 0);
    console.log(`pillion unpacked: ${bytes} bytes`);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });
});

describe("the subpaths", () => {
  test("are these", () => {
    expect(subpathsOf(consumer.pillion)).toEqual(Object.keys(names).sort());
  });

  test("import in Node, without a word, and export these names", async () => {
    const { "pillion/workers": _onlyWorkerd, ...expected } = names;
    const { stdout, stderr } = await consumer.node(`
      const names = {};
      for (const path of ${JSON.stringify(Object.keys(expected))})
        names[path] = Object.keys(await import(path)).sort();
      console.log(JSON.stringify(names));`);
    expect({ names: JSON.parse(stdout), stderr }).toEqual({ names: expected, stderr: "" });
  });

  test("import in workerd, those of Node and Lambda apart, and export these names", async () => {
    const elsewhere = /^pillion\/(node|lambda|resources|aws\/dynamodb-sdk)/;
    const paths = Object.keys(names).filter((path) => !elsewhere.test(path));
    consumer.write({
      "names.js": `
        ${paths.map((path, index) => `import * as module${index} from "${path}";`).join("\n")}
        export { PillionObject } from "pillion/workers";
        const modules = { ${paths.map((path, index) => `"${path}": module${index}`).join(", ")} };
        const names = Object.entries(modules).map(([path, module]) => [path, Object.keys(module).sort()]);
        export default { fetch: () => Response.json(Object.fromEntries(names)) };`,
    });
    const workers = await startWorkers({
      entry: join(consumer.folder, "names.js"),
      folder: newFolder("workers"),
    });
    try {
      const answered = await (await fetch(workers.url)).json();
      expect(answered).toEqual(Object.fromEntries(paths.map((path) => [path, names[path]])));
      expect(paths).toContain("pillion/workers");
    } finally {
      await workers.stop();
    }
  });

  test("lead to no private file", async () => {
    const dist = filesIn(join(consumer.pillion, "dist/bindings"));
    const files = dist.filter((path) => /\/_.*\.js$/.test(path));
    const paths = [
      ...files.map((path) => `pillion/${path.replace(/\.js$/, "")}`),
      "pillion/dist/src/runtime.js",
      "pillion/runtime",
    ];
    const { stdout } = await consumer.node(`
      const codes = {};
      for (const path of ${JSON.stringify([...paths, "pillion/memory"])})
        codes[path] = await import(path).then(() => "reached", (error) => error.code);
      console.log(JSON.stringify(codes));`);
    expect(JSON.parse(stdout)).toEqual({
      ...Object.fromEntries(paths.map((path) => [path, "ERR_PACKAGE_PATH_NOT_EXPORTED"])),
      "pillion/memory": "reached",
    });
    expect(paths).toContain("pillion/node/_sqlite");
  });
});

describe("an app on the installed package", () => {
  test("answers in Node on the newest Hono", () => expectAnswer(consumer));

  test("answers in Node on the oldest Hono", async () => {
    const oldest = await installConsumer("hono-oldest");
    try {
      await expectAnswer(oldest);
    } finally {
      oldest.remove();
    }
  });
});

describe("the command", () => {
  const command = () => join(consumer.pillion, "dist/targets/cli/bin.js");

  test("prints the version, by an absolute path and with an empty environment", async () => {
    const { stdout, stderr } = await run(process.execPath, [command(), "--version"], { env: {} });
    expect({ stdout, stderr }).toEqual({
      stdout: `${manifestOf(consumer.pillion).version}\n`,
      stderr: "",
    });
  });

  test("runs by its name, as npm links it", async () => {
    const link = join(consumer.folder, "node_modules/.bin/pillion");
    const env = { PATH: join(process.execPath, "..") };
    const { stdout } = await run(link, ["components"], { env });
    expect(stdout).toContain("state.aws.dynamodb");
  });

  test("shows the settings as the sources describe them, which the components of the build do not", async () => {
    const type = "pubsub.aws.snssqs";
    const { stdout } = await run(process.execPath, [command(), "components", type], { env: {} });
    expect(stdout).toBe(`${await describeComponent(type)}\n`);
    expect(stdout).toContain("Without it the first publish or subscription asks STS");
    const built = readFileSync(join(consumer.pillion, "dist/bindings/aws/sns-sqs.js"), "utf8");
    expect(built).toContain("accountID: {");
    expect(built).not.toContain("asks STS");
  });

  test.each(["12.20.0", "20.19.5", "22.17.1"])(
    "names what it needs to Node %s",
    async (version) => {
      expect(await runAs(version)).toEqual({
        code: 1,
        stdout: "",
        stderr: `pillion needs Node 22.18 or later, and this is ${version}: https://nodejs.org\n`,
      });
    },
  );

  test.each(["22.18.0", "23.0.0", "100.1.0"])("runs on Node %s", async (version) => {
    const stdout = `${manifestOf(consumer.pillion).version}\n`;
    expect(await runAs(version)).toEqual({ code: 0, stdout, stderr: "" });
  });

  test("starts with syntax that Node 12 knows", async () => {
    const source = readFileSync(command(), "utf8");
    expect(await isOldSyntax(source)).toBe(true);
    expect(source).not.toMatch(/^\s*import[\s{*"']/m);
    expect(await isOldSyntax(`${source}\nconsole.log(process.env.X ?? "");`)).toBe(false);
  });

  function runAs(version: string) {
    const lie = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
    const words = ["--import", `data:text/javascript,${lie}`, command(), "--version"];
    return run(process.execPath, words, { env: {} }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  }
});

function isExpected(path: string): boolean {
  return (
    ["package.json", "README.md", "LICENSE", "CHANGELOG.md"].includes(path) ||
    /^docs\/.+\.md$/.test(path) ||
    /^dist\/(src|bindings|targets)\/.+(?<!\.test)\.(js|d\.ts)$/.test(path)
  );
}

/** esbuild rewrites what a target does not know, and only that. */
async function isOldSyntax(source: string): Promise<boolean> {
  const [old, latest] = await Promise.all(
    ["node12.20", "esnext"].map((target) => transform(source, { target })),
  );
  return old?.code === latest?.code;
}

async function expectAnswer({ node }: Consumer): Promise<void> {
  const { stdout, stderr } = await node(`
    import { Hono } from "hono";
    import { ApiError, defineApp, pillion } from "pillion";
    import * as memory from "pillion/memory";
    import { serve } from "pillion/node";
    const http = new Hono();
    http.use(pillion());
    http.get("/", async (c) => {
      const state = c.var.blocks.state("statestore");
      await state.set("order", { quantity: 2 }, { concurrency: "first-write" });
      return c.json(await state.get("order"), 202);
    });
    const app = defineApp({ id: "orders", fetch: http.fetch });
    const server = await serve(app, { port: 0, components: { statestore: memory.state({}) } });
    for (let attempt = 0; attempt < 2; attempt++) {
      const response = await fetch(server.url);
      console.log(response.status, await response.text());
    }
    await server.close();`);
  expect({ stdout, stderr }).toEqual({
    stdout: `202 {"quantity":2}\n409 {"errorCode":"ERR_STATE_SAVE","message":"failed saving state in state store statestore: possible etag mismatch. error from state store: key orders||order was written since it was read"}\n`,
    stderr: "",
  });
}
