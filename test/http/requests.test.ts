import { afterAll, describe, expect, test } from "vitest";
import { type Api, createApi, type Process, runtimeApi } from "../../src/http/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { webHost } from "../../src/web.ts";
import type { Setup } from "./_rows.ts";
import { run, type Sender, throughFetch, throughHandle } from "./_run.ts";
import { componentsOf } from "./_setups.ts";
import { requests } from "./requests.ts";

const standing: Process = {
  waitingFor: () => [],
  outboundReady: () => true,
  shutdown: () => undefined,
};

/** New ones for every way, because rows count on keys that nobody has written. */
const mounted = (on: Setup) => createApi({ id: "app", components: componentsOf(on) });
const inProcess = (on: Setup) => {
  const host = webHost("node");
  const runtime = createRuntime({ id: "app", components: componentsOf(on), host });
  return runtimeApi(runtime, { process: standing });
};

const ways = {
  "handle, in a process": [inProcess, throughHandle, "mounted", false],
  handle: [mounted, throughHandle, "process", false],
  fetch: [mounted, throughFetch, "process", true],
} as const;

const opened: Api[] = [];
afterAll(() => Promise.all(opened.map((api) => api.close())));

test("there are at least 150 requests in at least 100 rows, each with a name of its own", () => {
  expect(requests.flatMap(({ steps }) => steps).length).toBeGreaterThan(150);
  expect(new Set(requests.map(({ name }) => name)).size).toBe(requests.length);
  expect(requests.length).toBeGreaterThan(100);
});

describe.each(Object.entries(ways))("through %s", (_way, [make, through, elsewhere, isUrl]) => {
  const senders: Record<Setup, Sender> = {
    store: open("store"),
    bus: open("bus"),
    bare: open("bare"),
  };
  const rows = requests.filter(({ only, raw }) => only !== elsewhere && !(isUrl && raw));

  test.each(rows)("$name", (row) => run(row, senders[row.on]));

  function open(on: Setup): Sender {
    const api = make(on);
    opened.push(api);
    return through(api);
  }
});
