import { Refusal, text } from "./answers.ts";
import type { Handler, Route } from "./contract.ts";
import { decoded } from "./path.ts";

export interface Match {
  readonly handler: Handler;
  readonly params: readonly string[];
}

/** Finds the handler of a path, segment by segment: a literal before a parameter before the rest. */
export type Table = (method: string, segments: readonly string[]) => Match | undefined;

interface Node {
  readonly literals: Map<string, Node>;
  parameter?: Node;
  rest?: Handler;
  handler?: Handler;
}

export function createTable(routes: readonly Route[]): Table {
  const roots = new Map<string, Node>();
  for (const { methods, versions, path, handler } of routes) {
    for (const method of methods) {
      const root = roots.get(method) ?? node();
      roots.set(method, root);
      for (const version of versions) add(root, `${version}/${path}`.split("/"), handler);
    }
  }
  return (method, segments) => {
    const root = roots.get(method);
    const found: string[] = [];
    const handler = root && find(root, segments, 0, found);
    return handler && { handler, params: found.map(unescaped) };
  };
}

function node(): Node {
  return { literals: new Map() };
}

function add(root: Node, segments: readonly string[], handler: Handler): void {
  let at = root;
  for (const segment of segments) {
    if (segment === "*") {
      at.rest = handler;
      return;
    }
    at = segment === "{}" ? (at.parameter ??= node()) : literal(at, segment);
  }
  at.handler = handler;
}

function literal({ literals }: Node, segment: string): Node {
  const next = literals.get(segment) ?? node();
  literals.set(segment, next);
  return next;
}

function find(
  node: Node,
  segments: readonly string[],
  at: number,
  found: string[],
): Handler | undefined {
  const segment = segments[at];
  if (segment === undefined) return node.handler;
  const next = node.literals.get(segment);
  const handler = next && find(next, segments, at + 1, found);
  if (handler) return handler;
  const before = found.length;
  if (node.parameter) {
    found.push(segment);
    const handler = find(node.parameter, segments, at + 1, found);
    if (handler) return handler;
    found.length = before;
  }
  if (node.rest) found.push(segments.slice(at).join("/"));
  return node.rest;
}

function unescaped(segment: string): string {
  const value = decoded(segment);
  if (value === undefined) throw badEscape(segment);
  return value;
}

export function badEscape(segment: string): Refusal {
  const shown = JSON.stringify(segment);
  return new Refusal(
    text(400, `failed to unescape request parameter. Error: invalid URL escape in ${shown}`),
  );
}
