import * as aws from "pillion/aws/sns-sqs";
import { serve } from "pillion/lambda";
import app from "./app.ts";

export const handler = serve(app, { components: { pubsub: aws.pubsub({}) } });
