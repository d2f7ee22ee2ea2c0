import { inProcess } from "../../bindings/node/_in-process.ts";
import type { Host, Target } from "../../src/contracts/host.ts";
import { commonHost } from "./common.ts";

/** What a process lends to components: what Node does, and what components do in a process alone. */
export function processHost(target: Target, ports: Partial<Host> = {}): Host {
  return commonHost(target, { inProcess, ...ports });
}
