export type { LambdaContext } from "./invocation.ts";
export { open } from "./open.ts";
export type { HttpResult } from "./response.ts";
export {
  type HttpHandler,
  type LambdaServeOptions,
  type StreamingHttpHandler,
  serve,
} from "./serve.ts";
export type { ResponseStream } from "./stream.ts";
export { type WithPillionOptions, withPillion } from "./with-pillion.ts";
