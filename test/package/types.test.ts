import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../harness/folder.ts";
import { type Consumer, installConsumer, run } from "./_consumer.ts";
import { subpathsOf } from "./_exports.ts";
import { type Project, projects } from "./_projects.ts";

const tools = ["valibot", "@types/node", "@cloudflare/workers-types"];
const resolutions = {
  NodeNext: { module: "NodeNext" },
  Bundler: { module: "ESNext", moduleResolution: "Bundler" },
};

/** What `broken.ts` is there for. */
const broken = "broken.ts(2,31): error TS2345";

/** What is exported beside the values, which `package.test.ts` pins. */
const publicTypes: Readonly<Record<string, readonly string[]>> = {
  pillion: [
    "App",
    "Blocks",
    "BulkEntry",
    "BulkItem",
    "BulkOptions",
    "Call",
    "CloudEvent",
    "Components",
    "Concurrency",
    "Consistency",
    "Delivery",
    "DeliveryOutcome",
    "DeliverySource",
    "ErrorCode",
    "ErrorKind",
    "EventAttributes",
    "FetchHandler",
    "GetOptions",
    "Handler",
    "HandlerResult",
    "Item",
    "KeyFailure",
    "ListOptions",
    "Listener",
    "Match",
    "Operation",
    "PillionEnv",
    "PillionEvent",
    "PillionOptions",
    "PubSubAccess",
    "PublishOptions",
    "Publisher",
    "Routes",
    "Rule",
    "Runtime",
    "ServeOptions",
    "StandardSchema",
    "State",
    "StateAccess",
    "StateCallName",
    "Status",
    "SubscribeOptions",
    "Topic",
    "TopicPublisher",
    "TopicSubscription",
    "Trace",
    "UpdateOptions",
    "WriteOptions",
  ],
  "pillion/aws/dynamodb": ["DynamoDBOptions", "Transport"],
  "pillion/aws/dynamodb-sdk": ["SdkClient", "Transport"],
  "pillion/aws/eventbridge": [],
  "pillion/aws/sns-sqs": [],
  "pillion/bulk": ["BulkHandler", "BulkMessage", "BulkOptions", "BulkStatus", "Collector"],
  "pillion/cel": [],
  "pillion/cloudflare/d1": [],
  "pillion/cloudflare/durable-objects": [],
  "pillion/cloudflare/kv": [],
  "pillion/cloudflare/queues": [],
  "pillion/conformance": [
    "PubSubBed",
    "PubSubCase",
    "PubSubCaseName",
    "StateBed",
    "StateCase",
    "StateCaseName",
    "Subscriber",
  ],
  "pillion/contracts/cloudevents": [],
  "pillion/contracts/component": [
    "Block",
    "Component",
    "Contracts",
    "Field",
    "Fields",
    "Options",
    "Settings",
    "Startup",
  ],
  "pillion/contracts/host": [
    "Call",
    "Clock",
    "Hash",
    "Host",
    "Random",
    "ServiceRequest",
    "ServiceResponse",
    "Target",
    "Trace",
  ],
  "pillion/contracts/pubsub": [
    "Batch",
    "IncomingMessage",
    "Outcome",
    "OutgoingMessage",
    "PubSub",
    "PubSubDefinition",
    "PubSubFeature",
    "SubscribeRequest",
    "Subscription",
  ],
  "pillion/contracts/state": [
    "DeleteOptions",
    "KeyPage",
    "Precondition",
    "ReadOptions",
    "SetOptions",
    "StateFeature",
    "StateOperation",
    "StateStore",
    "StateStoreDefinition",
    "StoredItem",
    "StoredValue",
  ],
  "pillion/contracts/secrets": ["Secret", "SecretStore", "SecretStoreDefinition"],
  "pillion/encryption": ["EncryptionOptions", "SecretKeyRef"],
  "pillion/env": [],
  "pillion/http": [
    "AccessRule",
    "Api",
    "ApiOptions",
    "ApiRequest",
    "ApiResponse",
    "ApiSettings",
    "AppConnection",
    "Process",
    "RuntimeApiOptions",
    "ShownSubscription",
  ],
  "pillion/inbox": ["Inbox", "InboxOptions"],
  "pillion/lambda": [
    "HttpHandler",
    "HttpResult",
    "LambdaContext",
    "LambdaServeOptions",
    "ResponseStream",
    "StreamingHttpHandler",
    "WithPillionOptions",
  ],
  "pillion/memory": [],
  "pillion/node": ["NodeServeOptions", "NodeServer"],
  "pillion/node/nats": [],
  "pillion/node/kafka": [],
  "pillion/node/mqtt": [],
  "pillion/node/postgresql": [],
  "pillion/node/rabbitmq": [],
  "pillion/node/redis": [],
  "pillion/node/registry": ["ComponentFactory"],
  "pillion/node/sqlite": [],
  "pillion/outbox": ["Outbox", "PublishOperation"],
  "pillion/resources": ["ResourceOptions"],
  "pillion/testing": ["VirtualClock"],
  "pillion/upstash": [],
  "pillion/workers": [
    "BareHandler",
    "QueueBatch",
    "WithPillionOptions",
    "WorkerHandlers",
    "Wrapped",
  ],
};

let latest: Consumer;
let oldest: Consumer;

beforeAll(async () => {
  [latest, oldest] = await Promise.all([installConsumer(), installConsumer("hono-oldest")]);
  for (const consumer of [latest, oldest]) for (const tool of tools) consumer.link(tool);
});
afterAll(() => {
  latest?.remove();
  oldest?.remove();
});

// The compiler reads every declaration of every package, which takes a loaded machine long.
describe.each(Object.entries(projects))(
  "a project for %s",
  { timeout: 120_000 },
  (name, project) => {
    test.each(Object.entries(resolutions))(
      "compiles, with every declaration checked, under %s",
      async (label, options) => {
        expect(await compile(latest, `${name}-${label}`, project, options)).toEqual([broken]);
      },
    );

    test("compiles with the oldest Hono, whose own declarations have errors of their own", async () => {
      const findings = await compile(oldest, name, project, resolutions.NodeNext);
      expect(findings.filter((line) => !line.includes("node_modules/hono/"))).toEqual([broken]);
    });
  },
);

test("these types are public", () => {
  const subpaths = subpathsOf(latest.pillion);
  const entry = join(latest.folder, "all.ts");
  const lines = subpaths.map((path, index) => `export * as module${index} from "${path}";`);
  writeFileSync(entry, lines.join("\n"));
  expect(typesOf(entry, subpaths)).toEqual(publicTypes);
});

/** Where each error is and its code. */
async function compile(
  { folder }: Consumer,
  name: string,
  { files, types, lib }: Project,
  options: object,
): Promise<string[]> {
  const project = join(folder, name);
  mkdirSync(project);
  for (const [path, text] of Object.entries(files)) writeFileSync(join(project, path), text);
  const compilerOptions = {
    target: "es2022",
    lib,
    types,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    allowImportingTsExtensions: true,
    noEmit: true,
    ...options,
  };
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["."] }),
  );
  const tsc = join(root, "node_modules/.bin/tsc");
  const { stdout } = await run(tsc, ["-p", ".", "--pretty", "false"], { cwd: project }).catch(
    (error: { stdout: string }) => error,
  );
  return stdout.split("\n").flatMap((line) => /^\S+: error TS\d+/.exec(line)?.[0] ?? []);
}

/** Names of the exported types of each module, which leave no trace at run time. */
function typesOf(entry: string, subpaths: readonly string[]): Record<string, string[]> {
  const program = ts.createProgram([entry], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    types: [],
  });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry) as ts.SourceFile;
  const modules = checker.getExportsOfModule(checker.getSymbolAtLocation(source) as ts.Symbol);
  const names = modules.map((symbol, index) => {
    const exported = checker
      .getExportsOfModule(checker.getAliasedSymbol(symbol))
      .map((member) =>
        member.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(member) : member,
      );
    const types = exported.filter(({ flags }) => !(flags & ts.SymbolFlags.Value));
    return [subpaths[index], types.map((type) => type.getName()).sort()];
  });
  return Object.fromEntries(names);
}
