import { puller } from "../../bindings/node/_puller.ts";
import type { Host, Target } from "../../src/contracts/host.ts";
import { commonHost } from "./common.ts";

/** What a process lends to components: what Node does, and what pulls messages. */
export function processHost(target: Target, ports: Partial<Host> = {}): Host {
  return commonHost(target, { puller, ...ports });
}
