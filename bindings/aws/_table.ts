import type { Host } from "../../src/contracts/host.ts";
import type { Layout } from "./_item.ts";
import type { Transport } from "./_service.ts";

/** The table of one component, and how it is reached. */
export interface Table {
  readonly component: string;
  readonly name: string;
  readonly layout: Layout;
  readonly transport: Transport;
  readonly host: Host;
}
