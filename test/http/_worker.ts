import { Hono } from "hono";
import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import * as memory from "../../bindings/memory.ts";
import { createApi } from "../../src/http/index.ts";

export { PillionObject } from "../../targets/workers/index.ts";

const store = durableObjects.state({});

/** One under a path of its own beside an app's routes, one at the root for whatever the app does not answer. */
const under = createApi({ id: "under", components: { store } });
const root = createApi({ id: "app", components: { store, local: memory.state({}) } });

const http = new Hono();
http.get("/hello", (c) => c.text("hello"));
http.mount("/dapr", under.fetch);
http.mount("/", root.fetch);

export default http;
