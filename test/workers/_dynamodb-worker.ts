import { env } from "cloudflare:workers";
import * as dynamodb from "../../bindings/aws/dynamodb.ts";
import { serve } from "../../targets/workers/index.ts";
import app, { clock } from "../conformance/app.ts";

// Signed by WebCrypto and sent by fetch, where Node and Lambda have faster ways.
const settings = {
  table: "conformance",
  ttlAttributeName: "ttl",
  scan: true,
  region: "us-east-1",
  endpoint: String(env.ENDPOINT),
  accessKey: "local",
  secretKey: "local",
};
export default serve(app, { clock, components: { statestore: dynamodb.state(settings) } });
