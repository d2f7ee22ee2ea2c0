import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { beforeAll, expect, test } from "vitest";
import { newFolder, root } from "../harness/folder.ts";

// README's TypeScript, as it stands there, compiled strictly against the built package.
const [app, ...others] = [
  ...readFileSync(join(root, "README.md"), "utf8").matchAll(/```ts\n([\s\S]*?)```/g),
].map(([, text = ""]) => text);

/** What the fragments take for granted, by a word that stands in each. */
const given: Readonly<Record<string, string>> = {
  "state.native()": `import type { Blocks } from "pillion";
declare const c: { var: { blocks: Blocks } }, value: number, next: number, etag: string, keys: string[], cursor: string;
`,
  "pubsub(orders).publish": `import { type Blocks, topic } from "pillion";
import * as v from "valibot";
declare const pubsub: Blocks["pubsub"], data: unknown;
const schema = v.object({ id: v.string(), total: v.number() });
`,
  "ApiError.is": `import { ApiError, type State } from "pillion";
declare const state: State, value: number, etag: string;
`,
};

let folder: string;
beforeAll(() => {
  folder = newFolder("readme");
  writeFileSync(join(folder, "app.ts"), app ?? "");
});

test("the app compiles", () => {
  expect(compile("app.ts")).toEqual([]);
});

test.each(others.map((text) => [text.split("\n").find((line) => line.trim()) ?? "", text]))(
  "the snippet that begins with %s compiles",
  (_title, text) => {
    const before = Object.entries(given).find(([word]) => text.includes(word))?.[1] ?? "";
    writeFileSync(join(folder, "snippet.ts"), `${before}${text}\nexport {};`);
    expect(compile("snippet.ts")).toEqual([]);
  },
);

test("a snippet that is wrong does not compile", () => {
  writeFileSync(
    join(folder, "wrong.ts"),
    `import { serve } from "pillion/node";\nawait serve({});`,
  );
  expect(compile("wrong.ts")).not.toEqual([]);
});

function compile(name: string): string[] {
  const program = ts.createProgram([join(folder, name)], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    allowImportingTsExtensions: true,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
    types: [],
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}
