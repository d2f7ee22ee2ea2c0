export { open } from "./open.ts";
export { type NodeServeOptions, type NodeServer, serve } from "./serve.ts";
