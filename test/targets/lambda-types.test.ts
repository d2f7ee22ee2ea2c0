import type { Writable } from "node:stream";
import type {
  ALBResult,
  APIGatewayProxyEventV2,
  APIGatewayProxyResult,
  APIGatewayProxyStructuredResultV2,
  Context,
  Handler,
  SQSBatchResponse,
  SQSEvent,
} from "aws-lambda";
import { expectTypeOf, test } from "vitest";
import type { Blocks } from "../../src/index.ts";
import {
  type HttpHandler,
  type LambdaContext,
  type ResponseStream,
  serve,
  withPillion,
} from "../../targets/lambda/index.ts";

const app = { id: "types", fetch: () => new Response() };
const options = { id: "types", components: {} };

test("serve gives what AWS's own types call a handler", () => {
  const handler = serve(app);
  expectTypeOf(handler).toEqualTypeOf<HttpHandler>();
  expectTypeOf(handler).toExtend<
    Handler<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2>
  >();
  expectTypeOf<Awaited<ReturnType<HttpHandler>>>().toExtend<APIGatewayProxyResult>();
  expectTypeOf<Awaited<ReturnType<HttpHandler>>>().toExtend<ALBResult>();
  expectTypeOf<Context>().toExtend<LambdaContext>();
  // @ts-expect-error: an unknown option
  serve(app, { streaming: true });
});

test("a streaming handler takes Lambda's stream", () => {
  const handler = serve(app, { stream: true });
  expectTypeOf<Writable & { setContentType(type: string): void }>().toExtend<ResponseStream>();
  expectTypeOf<Parameters<typeof handler>["length"]>().toEqualTypeOf<3>();
});

test("withPillion infers event, context and result", () => {
  const handler = withPillion(async (event: SQSEvent, context: Context, blocks) => {
    expectTypeOf(blocks).toEqualTypeOf<Blocks>();
    return {
      batchItemFailures: event.Records.map(() => ({ itemIdentifier: context.awsRequestId })),
    };
  }, options);
  expectTypeOf(handler).toExtend<Handler<SQSEvent, SQSBatchResponse>>();
  expectTypeOf(handler).parameter(0).toEqualTypeOf<SQSEvent>();
  expectTypeOf(handler).parameter(1).toEqualTypeOf<Context>();
});

test("withPillion gives a context that nobody typed the fields it knows", () => {
  withPillion(
    (_event: SQSEvent, context) => expectTypeOf(context).toEqualTypeOf<LambdaContext>(),
    options,
  );
});

test("withPillion refuses a handler that answers by callback", () => {
  const byCallback: Handler<SQSEvent, string> = (_event, _context, callback) =>
    callback(null, "done");
  // @ts-expect-error: its third parameter would get the blocks
  withPillion(byCallback, options);
  // @ts-expect-error: components are needed
  withPillion((event: SQSEvent) => event, { id: "types" });
});
