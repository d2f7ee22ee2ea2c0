export { open } from "./open.ts";
export { type NodeServer, type NodeServeOptions, serve } from "./serve.ts";
