import { Hono } from "hono";
import * as memory from "../../bindings/memory.ts";
import { createApi } from "../../src/http/index.ts";
import { defineApp } from "../../src/index.ts";
import { serve } from "../../targets/lambda/index.ts";

const api = createApi({ id: "app", components: { store: memory.state({}) } });

const http = new Hono();
http.get("/hello", (c) => c.text("hello"));
http.mount("/", api.fetch);

export const handler = serve(defineApp({ id: "app", fetch: http.fetch }));
