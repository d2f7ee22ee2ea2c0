import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import ts from "typescript";
import { root } from "../harness/folder.ts";

/** Source text by its path in the repository. */
export type Tree = Readonly<Record<string, string>>;

/** What in a tree breaks a rule: the file, and how. */
export type Rule = (tree: Tree) => string[];

export function readTree(): Tree {
  const folders = ["src", "bindings", "targets", "examples", "test"];
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => /\.ts$/.test(path) && !/\.d\.ts$|node_modules/.test(path))
      .map((path) => `${folder}/${path}`),
  );
  return Object.fromEntries(
    paths.sort().map((path) => [path, readFileSync(join(root, path), "utf8")]),
  );
}

/** The imports of files under `from` that `allows` refuses. A relative one is given as its path in the repository. */
export function imports(from: RegExp, allows: (target: string, path: string) => boolean): Rule {
  return (tree) =>
    filesUnder(tree, from).flatMap(([path, text]) =>
      importsOf(path, text)
        .filter((target) => !allows(target, path))
        .map((target) => `${path} imports ${target}`),
    );
}

/** The names, of those given, that files under `from` use as variables. */
export function globals(from: RegExp, names: readonly string[]): Rule {
  return (tree) =>
    filesUnder(tree, from).flatMap(([path, text]) =>
      variablesOf(path, text)
        .filter((name) => names.includes(name))
        .map((name) => `${path} uses ${name}`),
    );
}

const REGISTRY = "bindings/node/registry.ts";

/** Components without a line in the registry, and lines without their component. */
export const registered: Rule = (tree) => {
  const lines = [
    ...(tree[REGISTRY] ?? "").matchAll(
      /"([\w./-]+)":\s*async \(\) =>\s*\(await import\("([^"]+)"\)\)/g,
    ),
  ];
  const listed = lines.map(([, type, path]) => `${type} of ${inTree(path as string, REGISTRY)}`);
  const declared = componentsOf(tree).map(({ type, path }) => `${type} of ${path}`);
  return [
    ...declared
      .filter((line) => !listed.includes(line))
      .map((line) => `${line} is not in the registry`),
    ...listed
      .filter((line) => !declared.includes(line))
      .map((line) => `${line} is only in the registry`),
  ];
};

/** Components whose type no test names. */
export const tested: Rule = (tree) => {
  const tests = filesUnder(tree, /^test\/(?!package\/).*\.test\.ts$/).map(([, text]) => text);
  return componentsOf(tree)
    .filter(({ type }) => !tests.some((text) => text.includes(type.replace(/\/.*/, ""))))
    .map(({ type, path }) => `${type} of ${path} is named in no test`);
};

/** Factory calls that a bundler would keep though nobody uses the component. */
export const shakeable: Rule = (tree) =>
  filesUnder(tree, /^bindings\//).flatMap(([path, text]) => {
    const calls = [...text.matchAll(/(.{0,20})\b(?:(?:state|secret)Store|pubSub)\(/g)];
    return calls
      .filter(([, before]) => !before?.endsWith("/* @__PURE__ */ "))
      .map(() => `${path} calls its factory without /* @__PURE__ */`);
  });

const DECLARATION =
  /\b(?:(?:state|secret)Store|pubSub)\(\{\s*type: "([^"]+)"(?:,\s*version: "([^"]+)")?/g;

interface Declared {
  readonly type: string;
  readonly path: string;
}

function componentsOf(tree: Tree): Declared[] {
  return filesUnder(tree, /^bindings\//).flatMap(([path, text]) =>
    [...text.matchAll(DECLARATION)].map(([, type, version]) => ({
      type: version ? `${type}/${version}` : (type as string),
      path,
    })),
  );
}

function filesUnder(tree: Tree, from: RegExp): [string, string][] {
  return Object.entries(tree).filter(([path]) => from.test(path));
}

function importsOf(path: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith(".") ? inTree(fileName, path) : fileName,
    );
}

function inTree(specifier: string, importer: string): string {
  return normalize(join(dirname(importer), specifier));
}

/** Identifiers that are not the name of a member, a property or something declared in a type. */
function variablesOf(path: string, text: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isIdentifier(node) && !isName(node)) names.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return names;
}

function isName(node: ts.Identifier): boolean {
  const { parent } = node;
  const named =
    ts.isPropertyAccessExpression(parent) ||
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isMethodDeclaration(parent);
  return named && parent.name === node;
}
