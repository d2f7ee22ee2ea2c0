import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfiguration } from "../../targets/cli/sidecar/configuration.ts";
import { emptyConfiguration } from "../../targets/cli/sidecar/defaults.ts";
import { newFolder } from "../harness/folder.ts";

function fileWith(spec: string, name = "config.yaml"): string {
  const path = join(newFolder("config"), name);
  writeFileSync(
    path,
    `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: c }\nspec:\n${spec}\n`,
  );
  return path;
}

async function read(files: readonly string[], env: Record<string, string> = {}) {
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  return { configuration: await readConfiguration(files, { env, warn }), warnings };
}

describe("a Configuration", () => {
  test("says which parts of the API there are, what is logged and which components are refused", async () => {
    const file = fileWith(`  api:
    allowed: [{ name: state, version: v1.0, protocol: http }]
    denied: [{ name: shutdown, version: v1.0 }, { name: publish, version: v1, protocol: grpc }]
  logging: { apiLogging: { enabled: true, obfuscateURLs: true, omitHealthChecks: yes } }
  metrics: { enabled: false }
  components: { deny: [state.Redis, state.sqlite/v1] }`);
    expect(await read([file])).toEqual({
      configuration: {
        allowed: [{ name: "state", version: "v1.0", protocol: "http" }],
        denied: [
          { name: "shutdown", version: "v1.0", protocol: "http" },
          { name: "publish", version: "v1", protocol: "grpc" },
        ],
        apiLogging: { enabled: true, obfuscateURLs: true, omitHealthChecks: true },
        metrics: false,
        refusedTypes: ["state.redis", "state.sqlite/v1"],
      },
      warnings: [],
    });
  });

  test("of several, the later one wins where it says something", async () => {
    const first = fileWith("  metric: { enabled: false }\n  components: { deny: [state.redis] }");
    const second = fileWith("  metrics: { enabled: true }");
    const { configuration } = await read([first, second]);
    expect(configuration).toEqual({
      ...emptyConfiguration,
      metrics: true,
      refusedTypes: ["state.redis"],
    });
  });

  test("has variables in it, and says which are not set", async () => {
    const file = fileWith(`  components: { deny: ['\${TYPE}', 'state.\${MISSING}x'] }`);
    expect(await read([file], { TYPE: "state.redis" })).toMatchObject({
      configuration: { refusedTypes: ["state.redis", "state.x"] },
      warnings: [`${file}: the variable MISSING is not set, and empty there`],
    });
  });

  test("names with file and line what is not built, and what there is not", async () => {
    const file = fileWith("  httpPipeline: { handlers: [] }\n  tracing: {}\n  metricz: {}");
    expect((await read([file])).warnings).toEqual([
      `${file}:5: spec.httpPipeline is not built yet: it has no effect`,
      `${file}:6: spec.tracing is not built yet: it has no effect`,
      `${file}:7: spec.metricz is no part of a Configuration`,
    ]);
  });

  test.each([
    ["  api: { allowed: {} }", "5: spec.api.allowed: it must be a list"],
    ["  api: { denied: [{ version: v1.0 }] }", "5: spec.api.denied[0].name: a rule needs a name"],
    ["  api: { denied: [{ name: state }] }", "5: spec.api.denied[0].version: a rule needs a ver"],
    [
      "  api:\n    denied:\n      - { name: state, version: v1.0, protocol: tcp }",
      "7: spec.api.denied[0].protocol: it must be http or grpc",
    ],
    ["  metrics: { enabled: maybe }", "5: spec.metrics.enabled: it must be true or false"],
    ["  components: { deny: [{}] }", "5: spec.components.deny[0]: it must be a type"],
    ["  api: [", /:\d+:\d+: this is not YAML/],
  ])("is refused for %j", async (spec, message) => {
    const file = fileWith(spec);
    const wanted = typeof message === "string" ? `${file}:${message}` : message;
    await expect(read([file])).rejects.toThrow(wanted);
  });

  test("is refused where it is no Configuration, and where there is none", async () => {
    const file = join(newFolder("config"), "x.yaml");
    await expect(read([file])).rejects.toThrow(
      `--config ${file} cannot be read: it does not exist`,
    );
    writeFileSync(file, "kind: Component");
    await expect(read([file])).rejects.toThrow(
      `${file}:1: kind: --config needs a resource of kind Configuration`,
    );
  });
});
