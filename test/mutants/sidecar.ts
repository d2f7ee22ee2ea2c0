import type { Mutant } from "./mutant.ts";

const listener = ["test/sidecar/listener.test.ts"];
const flags = ["test/sidecar/flags.test.ts"];
const ends = ["test/sidecar/ends.test.ts"];
const start = ["test/sidecar/start.test.ts"];
const endpoints = ["test/sidecar/endpoints.test.ts"];
const folder = "targets/cli/sidecar";

export const sidecar: readonly Mutant[] = [
  {
    name: "sidecar: a body may be of any size",
    file: `${folder}/body.ts`,
    replace: "if (size <= limit) return void chunks.push(chunk);",
    by: "if (size >= 0) return void chunks.push(chunk);",
    tests: listener,
  },
  {
    name: "sidecar: a client that sends on and on after its answer is not cut off",
    file: `${folder}/listener.ts`,
    replace: "if (!message.complete) cutLate(message);",
    by: "message.resume();",
    tests: listener,
  },
  {
    name: "sidecar: the signal of a request is never aborted",
    file: `${folder}/listener.ts`,
    replace: "for (const controller of following) controller.abort(left());",
    by: "",
    tests: listener,
  },
  {
    name: "sidecar: a request that was answered is told when its client leaves later",
    file: `${folder}/listener.ts`,
    replace: "request.answered();",
    by: "",
    tests: listener,
  },
  {
    name: "sidecar: a client that waits for leave to send its body waits for ever",
    file: `${folder}/listener.ts`,
    replace: "if (this.#asks) this.response.writeContinue();",
    by: "",
    tests: listener,
  },
  {
    name: "sidecar: an answer during the end keeps its connection",
    file: `${folder}/listener.ts`,
    replace: "connection.latest === message)",
    by: "connection.latest === undefined)",
    tests: listener,
  },
  {
    name: "sidecar: only the first header of a name is read",
    file: `${folder}/listener.ts`,
    replace: "found === undefined ? value : `${found}, ${value}`",
    by: "found ?? value",
    tests: listener,
  },
  {
    name: "sidecar: headers beyond the 2000th are dropped",
    file: `${folder}/server.ts`,
    replace: "server.maxHeadersCount = 0;",
    by: "",
    tests: ["test/sidecar/malformed.test.ts"],
  },
  {
    name: "sidecar: a message that was given up counts as handled",
    file: `${folder}/messages.ts`,
    replace: "outcomes[outcome])",
    by: "outcomes[outcome && 'handled'])",
    tests: endpoints,
  },
  {
    name: "sidecar: a boolean flag takes the next word for its value",
    file: `${folder}/parse.ts`,
    replace: `(kind === "boolean" ? "true" : words[++at])`,
    by: "words[++at]",
    tests: flags,
  },
  {
    name: "sidecar: a repeated folder replaces the one before",
    file: `${folder}/parse.ts`,
    replace: "Array.isArray(read) && given.has(name)",
    by: "Array.isArray(read) && false",
    tests: flags,
  },
  {
    name: "sidecar: requests under way are cut off by a signal",
    file: `${folder}/drain.ts`,
    replace: "if (passed < ms) return;",
    by: "",
    tests: ends,
  },
  {
    name: "sidecar: the end waits for a request for ever",
    file: `${folder}/drain.ts`,
    replace: "for (const server of servers) server.closeAllConnections();",
    by: "",
    tests: ends,
  },
  {
    name: "sidecar: a second signal is not heard",
    file: `${folder}/ends.ts`,
    replace: "process.exit(130);",
    by: "return;",
    tests: ends,
  },
  {
    name: "sidecar: it is healthy before the app listens",
    file: `${folder}/run.ts`,
    replace: `...(options.app ? ["app"] : [])`,
    by: "",
    tests: start,
  },
  {
    name: "sidecar: a refused type of component is loaded",
    file: `${folder}/settings.ts`,
    replace: "return !refused;",
    by: "return true;",
    tests: start,
  },
  {
    name: "sidecar: it starts though a component did not",
    file: "targets/_process/startup.ts",
    replace: "if (!startup.ignoreErrors) throw error;",
    by: "",
    tests: start,
  },
  {
    name: "sidecar: the socket of a dead process keeps the next from starting",
    file: `${folder}/server.ts`,
    replace: "!lstatSync(path).isSocket() || (await isAlive(path))",
    by: "lstatSync(path).isSocket() || (await isAlive(path))",
    tests: start,
  },
  {
    name: "sidecar: the public port has the whole API",
    file: `${folder}/public.ts`,
    replace: "open.includes(request.path)",
    by: "open.length > 0",
    tests: endpoints,
  },
  {
    name: "sidecar: the public port asks for the token",
    file: `${folder}/public.ts`,
    replace: "token === undefined ? request : withToken(request, token)",
    by: "request",
    tests: endpoints,
  },
  {
    name: "sidecar: keys are logged where they should not be",
    file: `${folder}/requests.ts`,
    replace: `obfuscateURLs ? path.split("/").slice(0, 3).join("/") : path`,
    by: "obfuscateURLs ? path : path",
    tests: endpoints,
  },
  {
    name: "sidecar: the access lists of a Configuration are not obeyed",
    file: `${folder}/run.ts`,
    replace: "const { allowed, denied } = configuration;",
    by: "const { allowed } = configuration;\n  const denied = undefined;",
    tests: endpoints,
  },
];
