import type { Mutant } from "./mutant.ts";

const loading = ["test/resources/loading.test.ts"];
const references = ["test/resources/references.test.ts"];
const encryption = ["test/core/encryption.test.ts"];
const namespace = ["test/resources/namespace.test.ts"];
const startup = ["test/node/startup.test.ts"];
const declared = ["test/node/declared.test.ts"];

/** Components from YAML, their start, and encryption. */
export const resources: readonly Mutant[] = [
  {
    name: "resources: scopes are not looked at",
    file: "targets/_resources/select.ts",
    replace: "return near && (scopes.length === 0 || scopes.includes(id));",
    by: "return near && scopes.length + id.length > 0;",
    tests: loading,
  },
  {
    name: "resources: the target's folder does not come last",
    file: "targets/_resources/select.ts",
    replace: "[paths, overlays]",
    by: "[overlays, paths]",
    tests: loading,
  },
  {
    name: "resources: a misspelt true is false",
    file: "targets/_resources/settings.ts",
    replace: "? false : undefined;",
    by: "? false : false;",
    tests: loading,
  },
  {
    name: "resources: an unknown setting is left out in silence",
    file: "targets/_resources/settings.ts",
    replace: "warn(`${document.at(entry.path)}: component",
    by: "void (`${document.at(entry.path)}: component",
    tests: loading,
  },
  {
    name: "resources: topics lack the namespace that a component is scoped to",
    file: "targets/_resources/load.ts",
    replace: "if (scope) made",
    by: "if (scope === manifest.name) made",
    tests: namespace,
  },
  {
    name: "resources: an app learns of its topic's namespace",
    file: "src/blocks/pubsub/namespaced.ts",
    replace: "topic: without(topic), ...own",
    by: "topic, ...own",
    tests: namespace,
  },
  {
    name: "resources: a secret is shown in an error",
    file: "targets/_resources/settings.ts",
    replace: 'sensitive || entry.from.is !== "value"',
    by: "sensitive",
    tests: references,
  },
  {
    name: "resources: a component may read Dapr's own variables",
    file: "targets/_resources/values.ts",
    replace: "if (isGuarded(variable)) {",
    by: "if (!isGuarded) {",
    tests: references,
  },
  {
    name: "secrets: the runtime's own tokens are shown",
    file: "bindings/env.ts",
    replace: "isGuarded(variable) || ",
    by: "",
    tests: references,
  },
  {
    name: "start: a component that may fail stops it",
    file: "targets/_process/startup.ts",
    replace: "if (!startup.ignoreErrors) throw error;",
    by: "if (startup) throw error;",
    tests: startup,
  },
  {
    name: "start: what was opened stays open when it fails",
    file: "targets/node/open.ts",
    replace: "    await runtime.close();\n",
    by: "",
    tests: startup,
  },
  {
    name: "resources: what a Subscription wants is lost where components are put together",
    file: "targets/node/declared.ts",
    replace: "{ ...components, [Symbol(mark)]: subscriptions }",
    by: "Object.defineProperty({ ...components }, Symbol(mark), { value: subscriptions })",
    tests: declared,
  },
  {
    name: "resources: an app without fetch is subscribed all the same",
    file: "targets/node/serve.ts",
    replace: "if (!first || fetch) return declared;",
    by: "if (!first || id) return declared;",
    tests: declared,
  },
  {
    name: "resources: a handler in code and a Subscription are one too many",
    file: "targets/node/serve.ts",
    replace: "!subscriptions.some((own) => isSame(one, own))",
    by: "one || subscriptions.some((own) => isSame(one, own))",
    tests: declared,
  },
  {
    name: "resources: an event does not show the app's token",
    file: "targets/node/events.ts",
    replace: "...length, ...own",
    by: "...own && length",
    tests: declared,
  },
  {
    name: "resources: an event comes without a token that is set",
    file: "targets/_app/client.ts",
    replace: 'return token ? { "dapr-api-token": token } : {};',
    by: "return token ? {} : {};",
    tests: ["test/sidecar/delivery.test.ts"],
  },
  {
    name: "encryption: values are written in clear",
    file: "src/blocks/state/encryption.ts",
    replace: "return { bytes: new TextEncoder().encode(await keys.seal(plain, call)) };",
    by: "return value;",
    tests: encryption,
  },
  {
    name: "encryption: a transaction writes in clear",
    file: "src/blocks/state/encryption.ts",
    replace: "return { ...operation, value };",
    by: "return { ...operation, ...(value && {}) };",
    tests: encryption,
  },
  {
    name: "encryption: actors' rows are encrypted too",
    file: "src/blocks/state/encryption.ts",
    replace: 'return key.split("||").length > 3;',
    by: 'return key.split("||").length > 9;',
    tests: encryption,
  },
  {
    name: "encryption: the secondary key is not read with",
    file: "src/blocks/state/keyring.ts",
    replace: "byName.set(name, key);",
    by: "void [name, key];",
    tests: encryption,
  },
  {
    name: "encryption: every value has the same nonce",
    file: "src/blocks/state/keyring.ts",
    replace: "crypto.getRandomValues(new Uint8Array(NONCE_BYTES))",
    by: "new Uint8Array(NONCE_BYTES)",
    tests: encryption,
  },
];
