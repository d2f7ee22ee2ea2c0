import { pubsub } from "../../bindings/aws/sns-sqs.ts";
import { type Aws, credentials, ministackPath } from "../harness/aws.ts";

type SnsSqsOptions = Parameters<typeof pubsub>[0];

/** Why the emulator cannot run here; never a reason on CI, where its absence must fail. */
export function absent(): string | undefined {
  if (ministackPath() || process.env.CI === "true") return undefined;
  return "ministack is not installed: pip install ministack==1.5.33, on the PATH or in $PILLION_MINISTACK";
}

export const skipped = (title: string) => (absent() ? `${title} (skipped: ${absent()})` : title);

export function broker(server: Pick<Aws, "endpoint">, options: SnsSqsOptions = {}) {
  return pubsub({ ...credentials, endpoint: server.endpoint, ...options });
}

/** A component for a suite that declares its tests before its emulator has started. */
export function laterBroker(server: () => Aws, options: SnsSqsOptions): ReturnType<typeof pubsub> {
  return {
    ...broker({ endpoint: "http://127.0.0.1:9" }, options),
    open: (host, name, appId) => broker(server(), options).open(host, name, appId),
  };
}
