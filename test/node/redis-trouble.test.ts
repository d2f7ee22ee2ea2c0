import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { freePort } from "../harness/machine.ts";
import {
  absentRedis,
  type Certificates,
  makeCertificates,
  type RedisServer,
  startRedis,
} from "../harness/redis.ts";
import {
  callOf,
  failureOf,
  ownClient,
  type RedisOptions,
  runtimeOn,
  storeOn,
} from "./_redis-beds.ts";

const SECRET = "s3cret-w0rd";
const quick = { redisMaxRetries: 1, redisMaxRetryInterval: 50 };

const reason = absentRedis();
describe.skipIf(reason)(reason ? `redis (skipped: ${reason})` : "redis", () => {
  let server: RedisServer;
  let replica: RedisServer;
  let secure: RedisServer;
  let certificates: Certificates;
  const written = vi.spyOn(console, "error");
  const warned = vi.spyOn(console, "warn");
  beforeAll(async () => {
    certificates = makeCertificates();
    const now = ["--repl-diskless-sync-delay", "0"];
    server = await startRedis({ args: now });
    const follow = ["--replicaof", "127.0.0.1", String(server.port)];
    [replica, secure] = await Promise.all([
      startRedis({ args: follow }),
      startRedis({ tls: { ...certificates, clients: "no" } }),
    ]);
    await server.raw.acl("SETUSER", "app", "on", `>${SECRET}`, "~*", "+@all");
    await server.raw.acl("SETUSER", "half", "on", `>${SECRET}`, "~*", "+@all", "-persist");
    await server.raw.acl("SETUSER", "dumb", "on", `>${SECRET}`, "~*", "+@all", "-@scripting");
    await server.raw.acl("SETUSER", "narrow", "on", `>${SECRET}`, "~mine||*", "+@all");
  });
  afterAll(async () => {
    await Promise.all([replica, server, secure].map((each) => each.stop()));
    // ioredis writes to the console what nobody listens to, and what it makes up its mind about.
    expect([...written.mock.calls, ...warned.mock.calls]).toEqual([]);
  });

  async function findings(options: RedisOptions) {
    const store = storeOn({ ...quick, ...options });
    const failures = [
      await failureOf(store.init?.(callOf())),
      await failureOf(store.set("k", { json: '"a value"' }, {}, callOf())),
    ];
    await store.close?.();
    for (const failure of failures) expect(inspect(failure, { depth: 9 })).not.toContain(SECRET);
    for (const failure of failures) expect(inspect(failure, { depth: 9 })).not.toContain("a value");
    return failures;
  }

  test("credentials, permissions and databases that cannot be are configuration errors that name the setting", async () => {
    const redisHost = server.address;
    const cases: [RedisOptions, RegExp][] = [
      [
        { redisHost, redisUsername: "app", redisPassword: `${SECRET}x` },
        /WRONGPASS.*correct redisUsername and redisPassword/,
      ],
      [{ redisHost, redisUsername: "nobody", redisPassword: SECRET }, /WRONGPASS.*redisUsername/],
      [{ redisHost, redisUsername: "dumb", redisPassword: SECRET }, /NOPERM.*EVAL and EVALSHA/],
      [{ redisHost, redisDB: 99 }, /no such database.*correct redisDB/],
    ];
    for (const [options, text] of cases) {
      for (const failure of await findings(options)) {
        expect(failure).toMatchObject({ kind: "config", message: expect.stringMatching(text) });
      }
    }
    expect(await server.raw.exists("k")).toBe(0);
  });

  test("a user without one of the commands, or the key, writes nothing at all", async () => {
    const half = storeOn({
      redisHost: server.address,
      redisUsername: "half",
      redisPassword: SECRET,
    });
    await half.init?.(callOf());
    const operation = { operation: "upsert", value: { json: "1" } } as const;
    const both = [
      { ...operation, key: "half-1", ttl: 10 },
      { ...operation, key: "half-2" },
    ];
    expect(await failureOf(half.transaction?.(both, callOf()))).toMatchObject({
      kind: "config",
      message: expect.stringMatching(/NOPERM.*PERSIST/),
    });
    expect(await server.raw.exists("half-1", "half-2")).toBe(0);
    await half.close?.();
    const narrow = storeOn({
      redisHost: server.address,
      redisUsername: "narrow",
      redisPassword: SECRET,
    });
    await narrow.set("mine||k", { json: "1" }, {}, callOf());
    const items = await narrow.getBulk?.(["mine||k", "other||k"], {}, callOf());
    expect(items).toMatchObject([{ value: { json: "1" } }, { kind: "config" }]);
    await narrow.close?.();
  });

  test("a server that wants a password says which setting is missing", async () => {
    const locked = await startRedis({ args: ["--requirepass", SECRET], raw: { password: SECRET } });
    for (const failure of await findings({ redisHost: locked.address })) {
      expect(failure).toMatchObject({
        kind: "config",
        message: expect.stringMatching(/set redisPassword/),
      });
    }
    const store = storeOn({ redisHost: locked.address, redisPassword: SECRET });
    await store.init?.(callOf());
    await store.close?.();
    await locked.stop();
  });

  test("TLS: trusted by its authority or not at all, and a port that does not speak it", async () => {
    const redisHost = secure.address;
    const untrusted = await findings({ redisHost, enableTLS: true });
    expect(untrusted).toMatchObject(
      Array(2).fill({
        kind: "config",
        message: expect.stringMatching(/certificate is not trusted.*caCert/),
      }),
    );
    const plain = await findings({ redisHost: server.address, enableTLS: true, dialTimeout: 1000 });
    expect(plain).toMatchObject(Array(2).fill({ message: expect.stringMatching(/enableTLS/) }));
    const open = await findings({ redisHost, dialTimeout: 1000 });
    expect(open).toMatchObject(
      Array(2).fill({ kind: "unavailable", message: expect.stringMatching(/set enableTLS/) }),
    );
    const caCert = readFileSync(certificates.ca, "utf8");
    for (const trust of [{ caCert }, { insecureSkipTLSVerify: true }]) {
      const store = storeOn({ redisHost, enableTLS: true, ...trust });
      await store.init?.(callOf());
      await store.close?.();
    }
  });

  test("nobody there is unavailable, and not remembered", async () => {
    const port = await freePort();
    const options = { redisHost: `127.0.0.1:${port}`, ...quick };
    const failures = await findings(options);
    expect(failures).toMatchObject(
      Array(2).fill({
        kind: "unavailable",
        message: `component store: cannot reach Redis: connect ECONNREFUSED 127.0.0.1:${port}`,
      }),
    );
    expect(await findings({ redisHost: "no-such-host.invalid", ...quick })).toMatchObject(
      Array(2).fill({
        kind: "unavailable",
        message: expect.stringMatching(/no-such-host\.invalid/),
      }),
    );
    const store = storeOn({ redisHost: server.address, ...quick });
    await server.halt();
    expect(await failureOf(store.get("k", {}, callOf()))).toMatchObject({ kind: "unavailable" });
    await server.start();
    await store.set("back", { json: "1" }, {}, callOf());
    await store.close?.();
    await server.raw.acl("SETUSER", "app", "on", `>${SECRET}`, "~*", "+@all");
  });

  test("a replica is refused, and one that loses its role under the connection is left", async () => {
    expect(await findings({ redisHost: replica.address })).toMatchObject(
      Array(2).fill({ kind: "unavailable", message: expect.stringMatching(/is a replica/) }),
    );
    const other = await startRedis();
    const store = storeOn({ redisHost: other.address, ...quick });
    await store.set("k", { json: "1" }, {}, callOf());
    const before = store.native(callOf());
    await other.raw.replicaof("127.0.0.1", server.port);
    expect(await failureOf(store.set("k", { json: "2" }, {}, callOf()))).toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/replica/),
    });
    await other.raw.replicaof("NO", "ONE");
    await store.set("k", { json: "3" }, {}, callOf());
    expect(store.native(callOf())).not.toBe(before);
    await store.close?.();
    await other.stop();
  });

  test("a full memory fails writes and keeps what was there, also in a transaction that begins with a delete", async () => {
    const small = await startRedis({ args: ["--maxmemory", "3mb"] });
    const state = runtimeOn({ redisHost: small.address });
    const store = state.blocks.state("store");
    await store.set("kept", 1);
    await store.set("gone", 1);
    const big = "x".repeat(500_000);
    const failed = [];
    for (let n = 0; n < 10; n++) failed.push(await failureOf(store.set(`big-${n}`, big)));
    expect(failed.at(-1)).toMatchObject({
      kind: "unavailable",
      retry: true,
      message: expect.stringMatching(/maxmemory/),
    });
    const outcome = await failureOf(
      store.transaction([
        { operation: "delete", key: "gone" },
        { operation: "upsert", key: "new", value: 1 },
      ]),
    );
    // Either all of it or nothing.
    const after = [await store.get("gone"), await store.get("new")];
    expect([
      [1, undefined],
      [undefined, 1],
    ]).toContainEqual(after);
    expect(outcome.message === "it did not fail").toBe(after[1] === 1);
    expect(await store.get("kept")).toBe(1);
    await store.delete("kept");
    await state.close();
    await small.stop();
  });

  test("strong consistency waits for replicas, says when they are late, and holds up no other call", async () => {
    await using runtime = runtimeOn({ redisHost: server.address });
    const store = runtime.blocks.state("store");
    await expect.poll(() => server.raw.info("replication")).toMatch(/state=online/);
    await store.set("strong", 1, { consistency: "strong" });
    expect(await replica.raw.hget("orders||strong", "data")).toBe("1");
    replica.freeze();
    try {
      const late = failureOf(store.set("strong", 2, { consistency: "strong" }));
      let over = false;
      late.then(() => (over = true));
      for (let n = 0; n < 20; n++) await store.set("other", n);
      expect(over).toBe(false);
      expect(await late).toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/it was written, but only 0 of 1 replicas/),
      });
      expect(await store.get("strong")).toBe(2);
    } finally {
      replica.thaw();
    }
  });

  test("scripts that the server forgot are sent again", async () => {
    await using runtime = runtimeOn({ redisHost: server.address });
    const store = runtime.blocks.state("store");
    const etag = await store.set("script", 1);
    await server.raw.script("FLUSH");
    expect(await store.getBulk(["script", "script-2"])).toMatchObject([{ value: 1 }, {}]);
    await server.raw.script("FLUSH");
    expect(await store.set("script", 2, { etag })).toBe(String(Number(etag) + 1));
  });

  test("a client of one's own is used, handed out, and not closed", async () => {
    const client = ownClient(server.port);
    const runtime = runtimeOn({ client });
    const store = runtime.blocks.state("store");
    await store.set("own", 1, { consistency: "strong" });
    expect(store.native<Redis>()).toBe(client);
    await runtime.close();
    expect(await client.hget("orders||own", "data")).toBe("1");
    client.disconnect();
  });

  test("the client is handed out once there is one", async () => {
    await using runtime = runtimeOn({ redisHost: server.address });
    const store = runtime.blocks.state("store");
    expect(() => store.native()).toThrow(/component store has no connection yet/);
    await store.set("native", 1);
    expect(await store.native<Redis>().hget("orders||native", "data")).toBe("1");
  });

  test.each([true, false])(
    "a closed store lets the process end, with the server %s",
    async (there) => {
      const address = there ? server.address : `127.0.0.1:${await freePort()}`;
      const writer = fileURLToPath(new URL("_redis-writer.ts", import.meta.url));
      const child = spawn(process.execPath, [writer, address, "once"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (chunk) => (output += chunk));
      const code = await new Promise((resolve) => child.once("close", resolve));
      expect([code, output]).toEqual([0, there ? "written\n" : "unavailable\n"]);
    },
  );
});

test("settings that contradict each other, and those that are not built, are refused by name", () => {
  const redisHost = "h:1";
  const cases: [RedisOptions, RegExp][] = [
    [{}, /needs redisHost/],
    [{ redisHost: `redis://:${SECRET}@h:1` }, /redisHost must be host:port/],
    [{ redisHost: `user:${SECRET}@h` }, /redisHost must be host:port/],
    [{ redisHost: "h:1", redisPort: 2 }, /redisPort is 2, and redisHost says 1/],
    [{ redisHost: "a:1,b:1" }, /redisHost names several servers/],
    [{ redisHost, redisType: "sentinel" }, /redisType "sentinel" must be node or cluster/],
    [{ redisHost, failover: true }, /failover needs sentinelMasterName/],
    [
      { redisHost, failover: true, redisType: "cluster", sentinelMasterName: "m" },
      /failover is for redisType node/,
    ],
    [{ redisHost, redisDB: 1.5 }, /redisDB must be a whole number/],
    [{ redisHost, clientCert: "pem", enableTLS: true }, /clientCert and clientKey belong together/],
    [{ redisHost, caCert: "pem" }, /need enableTLS/],
    [{ redisHost, useEntraID: true }, /useEntraID is not built/],
    [{ redisHost, queryIndexes: "[]" }, /queryIndexes is not built/],
    [{ redisHost, maxConnAge: 1 }, /maxConnAge is not built/],
    [{ redisHost, ttlInSeconds: 1.5 }, /ttlInSeconds must be a whole number/],
    [{ redisHost, maxPendingCalls: 0 }, /maxPendingCalls must be a whole number above 0/],
    [{ client: {} }, /client must be an ioredis client/],
    [{ client: { callBuffer() {} }, redisHost }, /client and redisHost are two connections/],
    [{ client: { callBuffer() {}, options: { keyPrefix: "x" } } }, /client must have no keyPrefix/],
  ];
  for (const [options, text] of cases) {
    expect(() => storeOn(options), String(text)).toThrow(text);
    expect(() => storeOn(options)).not.toThrow(SECRET);
  }
  for (const options of [
    { redisHost: "[::1]:1" },
    { redisHost: "h", redisPort: 2 },
    {
      redisHost: "h:2",
      redisPort: 2,
      poolSize: 1,
      minIdleConns: 1,
      poolTimeout: 1,
      useEntraID: false,
    },
    { redisHost: "a:1, b:2", redisType: "cluster" },
  ])
    storeOn(options);
});
