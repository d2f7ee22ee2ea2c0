import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import * as memory from "../../bindings/memory.ts";
import type { Component, Startup } from "../../src/contracts/component.ts";
import { ComponentError } from "../../src/errors.ts";
import { defineApp, type PillionEvent } from "../../src/index.ts";
import { open, serve } from "../../targets/node/index.ts";
import { resources } from "../../targets/node/resources.ts";
import { newFolder } from "../harness/folder.ts";
import { folderOf, component as yaml } from "../resources/_folder.ts";

const app = defineApp({ id: "orders" });
const startup: Startup = { source: "a.yaml:5", initTimeout: 100, ignoreErrors: false };

/** A store in memory that connects as `init` does, and tells of its end. */
function starting(init: () => Promise<void>, more: Partial<Startup> = {}, closed = () => {}) {
  const plain = memory.state({});
  const component: Component<"state"> = {
    ...plain,
    startup: { ...startup, ...more },
    open: (host, name) => ({ ...plain.open(host, name), init, close: async () => closed() }),
  };
  return component;
}

describe("open, with components that connect at the start,", () => {
  test("resolves once all are connected, and not before", async () => {
    let connected = 0;
    const slowly = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      connected++;
    };
    const components = { a: starting(slowly), b: starting(slowly), lazy: memory.state({}) };
    await using runtime = await open(app, { components });
    expect(connected).toBe(2);
    expect(await runtime.blocks.state("a").get("k")).toBeUndefined();
  });

  test("rejects with the component, its place and the reason, and closes the others", async () => {
    let closed = 0;
    const fails = async () => {
      throw new ComponentError("config", "the setting x is wrong");
    };
    const fine = starting(
      async () => {},
      {},
      () => closed++,
    );
    await expect(open(app, { components: { fine, bad: starting(fails) } })).rejects.toMatchObject({
      code: "ERR_CONFIGURATION",
      message: "component bad (a.yaml:5) did not start: the setting x is wrong",
    });
    expect(closed).toBe(1);
  });

  test("goes on without one that may fail, and tells; it is tried again on first use", async () => {
    const events: PillionEvent[] = [];
    const fails = async () => {
      throw new ComponentError("unavailable", "nobody answers");
    };
    const components = { s: starting(fails, { ignoreErrors: true }) };
    await using runtime = await open(app, { components, onEvent: (event) => events.push(event) });
    expect(events).toContainEqual({
      type: "component.failed",
      component: "s",
      error: expect.objectContaining({
        message: "component s (a.yaml:5) did not start: nobody answers",
      }),
    });
    await runtime.blocks.state("s").set("k", 1);
    expect(await runtime.blocks.state("s").get("k")).toBe(1);
  });

  test("ends one that takes longer than its initTimeout", async () => {
    const component = memory.state({});
    const never: Component<"state"> = {
      ...component,
      startup,
      open: (host, name) => ({
        ...component.open(host, name),
        init: ({ signal }) =>
          new Promise((_, reject) =>
            signal?.addEventListener("abort", () => reject(signal.reason)),
          ),
      }),
    };
    await expect(open(app, { components: { never } })).rejects.toThrow(
      "component never (a.yaml:5) did not start: it was not connected within 100 ms: raise initTimeout, or look after its service",
    );
  });
});

describe("open, whatever a component does,", () => {
  test("ends one that does not look at the signal", async () => {
    const deaf = starting(() => new Promise(() => {}));
    await expect(open(app, { components: { deaf } })).rejects.toThrow(
      "not connected within 100 ms",
    );
  });

  test("waits as long as it says, also when that is weeks", async () => {
    const soon = starting(() => new Promise((resolve) => setTimeout(resolve, 20)), {
      initTimeout: 3_600_000_000,
    });
    await using runtime = await open(app, { components: { soon } });
    expect(await runtime.blocks.state("soon").get("k")).toBeUndefined();
  });

  test("closes nothing that is still connecting", async () => {
    const order: string[] = [];
    const slow = starting(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        order.push("connected");
      },
      { initTimeout: 5000 },
      () => order.push("closed"),
    );
    const bad = starting(async () => {
      throw new ComponentError("config", "no");
    });
    await expect(open(app, { components: { slow, bad } })).rejects.toThrow("component bad");
    expect(order).toEqual(["connected", "closed"]);
  });

  test("and serve closes what it opened when its port is in use", async () => {
    let closed = 0;
    const http = defineApp({ id: "orders", fetch: () => new Response() });
    await using first = await serve(http, { port: 0, signals: false });
    const components = {
      s: starting(
        async () => {},
        {},
        () => closed++,
      ),
    };
    await expect(serve(http, { port: first.port, signals: false, components })).rejects.toThrow(
      "it is in use",
    );
    expect(closed).toBe(1);
  });
});

describe("resources", () => {
  const sqliteAt = (path: string) =>
    yaml("statestore", "state.sqlite", `{ name: url, value: "${path}" }`);

  test("are what serve and open take as components", async () => {
    const folder = folderOf({ "state.yaml": sqliteAt(join(newFolder("yaml"), "{appID}.db")) });
    await using runtime = await open(app, {
      components: await resources(folder, { id: app.id }),
    });
    await runtime.blocks.state("statestore").set("k", { a: 1 });
    expect(await runtime.blocks.state("statestore").get("k")).toEqual({ a: 1 });
  });

  test("fail at the start where their service does, with file and line", async () => {
    const impossible = join(newFolder("yaml"), "file", "state.db");
    writeFileSync(dirname(impossible), "");
    const folder = folderOf({ "state.yaml": sqliteAt(impossible) });
    const components = await resources(folder, { id: app.id });
    await expect(open(app, { components })).rejects.toThrow(
      `component statestore (${folder}/state.yaml:6) did not start: component statestore: ${impossible} cannot be opened`,
    );
  });
});
