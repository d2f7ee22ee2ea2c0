import type { Host } from "../../src/contracts/host.ts";
import type { AccountSettings } from "./_account.ts";
import type { Transport } from "./_service.ts";
import { createWire, jsonProtocol } from "./_wire.ts";

/** DynamoDB over the host's own HTTP. */
export function createTransport(
  settings: AccountSettings,
  host: Host,
  component: string,
): Transport {
  const protocol = jsonProtocol({
    label: "DynamoDB",
    service: "dynamodb",
    target: "DynamoDB_20120810",
    version: "1.0",
  });
  const { run } = createWire(protocol, settings, host, component);
  return {
    run: (operation, input, call) => run(operation, input, call) as Promise<never>,
    native: (call) => (operation: string, input: object) => run(operation, input, call),
  };
}
