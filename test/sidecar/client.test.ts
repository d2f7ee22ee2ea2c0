import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ChannelClient, createClient } from "../../targets/cli/sidecar/app/client.ts";

/** An app in this process, so that nothing but what is tested takes time. Its first call has made the connection. */
let app: Server;
let client: ChannelClient;
/** Paths that came. */
let got: (string | undefined)[];
let handle: RequestListener;

const answer: RequestListener = (_, response) => void response.end("{}");

beforeEach(async () => {
  got = [];
  handle = answer;
  app = createServer((request, response) => {
    got.push(request.url);
    request.resume();
    handle(request, response);
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  const { port } = app.address() as AddressInfo;
  const options = { maxConcurrency: undefined, secure: false, token: undefined };
  client = createClient({ address: "127.0.0.1", port, ...options });
  await post("/first");
});
afterEach(() => {
  client.close();
  app.closeAllConnections();
  app.close();
});

const never = new AbortController().signal;
const post = (path: string) =>
  client.call({ method: "POST", path, headers: {}, body: "{}" }, never);
const codeOf = (error: NodeJS.ErrnoException) => error.code;
const reset: RequestListener = ({ socket }) => void socket.resetAndDestroy();

describe("a call whose connection ends", () => {
  test("as it is used again is made once more: the app has not read it", async () => {
    handle = (request, response) => {
      handle = answer;
      reset(request, response);
    };
    expect(await post("/second")).toMatchObject({ status: 200 });
    expect(got).toEqual(["/first", "/second", "/second"]);
  });

  test("again, is not made a third time", async () => {
    handle = reset;
    expect(await post("/second").catch(codeOf)).toBe("ECONNRESET");
    expect(got).toEqual(["/first", "/second", "/second"]);
  });

  test("while the app handles it is not made again", async () => {
    handle = (request, response) => void setTimeout(() => reset(request, response), 100);
    expect(await post("/second").catch(codeOf)).toBe("ECONNRESET");
    expect(got).toEqual(["/first", "/second"]);
  });

  test("in the middle of its answer is not made again", async () => {
    handle = ({ socket }) =>
      void socket.write("HTTP/1.1 200 O", () => setImmediate(() => socket.destroy()));
    expect(await post("/second").catch(codeOf)).toBe("ECONNRESET");
    expect(got).toEqual(["/first", "/second"]);
  });

  test("by the client's own end is not made again, and none is after it", async () => {
    handle = () => client.close();
    expect(await post("/second").catch(codeOf)).toBe("ECONNRESET");
    await expect(post("/third")).rejects.toMatchObject({ code: "ERR_RUNTIME_CLOSED" });
    await sleep(50);
    expect(got).toEqual(["/first", "/second"]);
  });
});
