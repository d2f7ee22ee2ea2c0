import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import * as postgresql from "../../bindings/node/postgresql.ts";
import { newFolder } from "../harness/folder.ts";
import { type PostgreSQL, postgresqlAbsent, startPostgreSQL } from "../harness/postgresql.ts";
import { closeAll, stateOn, withServer } from "./_postgresql-beds.ts";

const PASSWORD = "s3cret-p'ass\\word";

/** The failure of a read, with nothing secret in it. */
async function failureOf(options: Parameters<typeof postgresql.state>[0]) {
  const error = await stateOn(postgresql.state(options))
    .get("k")
    .then(
      (value) => {
        throw new Error(`expected a failure, got ${value}`);
      },
      (error: Error & { kind: string }) => error,
    );
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    expect(one.message).not.toContain("s3cret");
    expect(inspect(one, { depth: 5 })).not.toContain("s3cret");
  }
  return error;
}

describe("state.postgresql: settings", () => {
  const refused = (options: Parameters<typeof postgresql.state>[0], message: RegExp) =>
    expect(() => stateOn(postgresql.state(options))).toThrow(message);
  const host = "127.0.0.1";

  test("what cannot be is refused when the component is opened, and no password is shown", () => {
    refused({}, /component store needs a connectionString, or host/);
    refused({ host, timeout: 0.9 }, /component store: timeout must be at least 1 s/);
    refused({ host, maxConns: 1.5 }, /maxConns must be a whole number/);
    refused({ host, queryExecMode: "fast" }, /queryExecMode must be one of cache_statement/);
    refused({ host, useAWSIAM: true }, /useAWSIAM is not built: set password/);
    refused({ host, useAzureAD: true }, /useAzureAD is not built/);
    refused({ host: "a,b" }, /several hosts/);
    refused({ host, sslRootCert: "a.pem" }, /root certificate that nothing checks: set sslmode/);
    refused({ host, metadataTableName: "STATE" }, /must be two tables/);
    refused({ client: {} }, /client must be a pg\.Pool/);
    refused({ client: new pg.Pool(), password: "s3cret" }, /client has its own password/);
    for (const connectionString of [
      "host=a password='s3cret",
      "s3cret",
      "postgres://u:s3%cret@h/d",
      "host=a password=s3cret sslmode=maybe",
      "host=a password=s3cret connect_timeout=soon",
      "host=a password=s3cret pool_max_conns=3",
      "postgres://u:s3cret@a:1,b:2/d",
    ]) {
      const attempt = () => stateOn(postgresql.state({ connectionString }));
      expect(attempt).toThrow(/component store has /);
      expect(attempt).not.toThrow(/s3cret/);
    }
  });

  test("names that could be SQL are refused", () => {
    for (const name of [
      "state; DROP TABLE state",
      'a"b',
      '"a',
      "a.b.c",
      "ä",
      "",
      "1a",
      "a b",
      "a--",
      '"a\0b"',
      "x".repeat(63),
    ]) {
      expect(() => stateOn(postgresql.stateV1({ host, tableName: name }))).toThrow(/tableName/);
      expect(() => stateOn(postgresql.state({ host, metadataTableName: name }))).toThrow(
        /component store: metadataTableName/,
      );
    }
    for (const tablePrefix of ["a; --", '"', "a b", "a.b."])
      refused({ host, tablePrefix }, /component store: tablePrefix/);
  });
});

withServer(
  "state.postgresql: connecting",
  {
    hba: ["host secured all 127.0.0.1/32 scram-sha-256", "host closed all 127.0.0.1/32 reject"],
  },
  (server) => {
    beforeAll(async () => {
      await server().sql(`CREATE ROLE ada LOGIN PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
      for (const name of ["secured", "closed"])
        await server().sql(`CREATE DATABASE ${name} OWNER ada`);
    });
    afterEach(closeAll);

    const keywords = (database: string, password: string) =>
      `host=127.0.0.1 user=ada password='${password.replace(/['\\]/g, "\\$&")}' port=${server().port} connect_timeout=10 database=${database}`;

    test("every form of the settings connects, a password with quotes in it too", async () => {
      const { port } = server();
      const escaped = encodeURIComponent(PASSWORD);
      for (const options of [
        { connectionString: keywords("secured", PASSWORD) },
        { connectionString: `postgres://ada:${escaped}@127.0.0.1:${port}/secured` },
        { connectionString: `postgresql://127.0.0.1:${port}/secured?user=ada&password=${escaped}` },
        {
          host: "nowhere",
          hostaddr: "127.0.0.1",
          port,
          user: "ada",
          password: PASSWORD,
          database: "secured",
        },
        { connectionString: keywords("nothing", "wrong"), database: "secured", password: PASSWORD },
        {
          connectionString: `postgres://x@nowhere:1/y?sslmode=prefer`,
          host: "localhost",
          port,
          user: "ada",
          password: PASSWORD,
          database: "secured",
        },
      ]) {
        const state = stateOn(postgresql.state(options));
        await state.set("k", 1);
        expect(await state.get("k")).toBe(1);
      }
    });

    test("settings of a session in the connection string reach the server", async () => {
      const connectionString = `${server().url()}&application_name=mine&search_path=%22a%20b%22,public&statement_timeout=5s`;
      const state = stateOn(postgresql.state({ connectionString }));
      await state.get("k");
      const { rows } = await state
        .native<pg.Pool>()
        .query(
          "SELECT current_setting('application_name') AS a, current_setting('search_path') AS b, current_setting('statement_timeout') AS c",
        );
      expect(rows).toEqual([{ a: "mine", b: '"a b",public', c: "5s" }]);
      expect(await failureOf({ connectionString: `${server().url()}&nonsense=1` })).toMatchObject({
        kind: "config",
        message: expect.stringMatching(/nonsense/),
      });
    });

    test("who is not let in, and what is not there, is a configuration error that says what to change", async () => {
      const { port } = server();
      for (const [options, message] of [
        [{ connectionString: keywords("secured", "s3cret-wrong") }, /set user and password/],
        [
          { host: "127.0.0.1", port, user: "ada", database: "secured" },
          /asks for a password: set password/,
        ],
        [{ connectionString: keywords("closed", PASSWORD) }, /lets nobody in as this/],
        [
          { connectionString: server().url("nothing") },
          /database "nothing" does not exist: create it, or set database/,
        ],
        [
          { connectionString: `${server().url().replace("disable", "require")}` },
          /has no TLS: .*sslmode=disable/,
        ],
        [
          { connectionString: server().url("postgres", "ada") },
          /permission denied.*grant this user/,
        ],
      ] as const) {
        expect(await failureOf(options)).toMatchObject({
          kind: "config",
          message: expect.stringMatching(message),
        });
      }
    });

    test("a server that is not there is unavailable", async () => {
      const nowhere = { port: 1, user: "ada", password: PASSWORD, database: "d" };
      for (const host of ["127.0.0.1", "nowhere.invalid"]) {
        expect(await failureOf({ host, ...nowhere })).toMatchObject({
          kind: "unavailable",
          message: expect.stringMatching(
            /PostgreSQL at \S+:1\/d cannot be reached \(E\w+\).*host and port/,
          ),
        });
      }
    });
  },
);

const openssl = () => {
  try {
    execFileSync("openssl", ["version"]);
    return undefined;
  } catch {
    return process.env.CI === "true" ? undefined : "openssl is not installed";
  }
};
const untested = postgresqlAbsent() ?? openssl();

describe.skipIf(untested)(
  `state.postgresql: TLS${untested ? ` (skipped: ${untested})` : ""}`,
  () => {
    let server: PostgreSQL;
    let rootCert: string;
    beforeAll(async () => {
      const folder = newFolder("tls");
      rootCert = join(folder, "cert.pem");
      const key = join(folder, "key.pem");
      // One that is its own authority, for a name that is not the address it is reached by.
      execFileSync(
        "openssl",
        [
          ..."req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=db.example -addext subjectAltName=DNS:db.example".split(
            " ",
          ),
          ...["-keyout", key, "-out", rootCert],
        ],
        { stdio: "ignore" },
      );
      server = await startPostgreSQL({
        hba: ["hostnossl tls all 127.0.0.1/32 reject"],
        config: { ssl: "on", ssl_cert_file: "cert.pem", ssl_key_file: "key.pem" },
        files: { "cert.pem": readFileSync(rootCert, "utf8"), "key.pem": readFileSync(key, "utf8") },
      });
      await server.sql("CREATE DATABASE tls");
    });
    afterEach(closeAll);
    afterAll(() => server?.remove());

    const options = (sslmode: string, more: object = {}) => ({
      connectionString: `host=db.example hostaddr=127.0.0.1 port=${server.port} user=postgres dbname=tls sslmode=${sslmode}`,
      ...more,
    });

    test("is used by every mode but disable, also by the one that is meant when none is named", async () => {
      const encrypted = async (component: ReturnType<typeof postgresql.state>) => {
        const state = stateOn(component);
        await state.get("k");
        const { rows } = await state
          .native<pg.Pool>()
          .query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
        return rows[0]?.ssl;
      };
      for (const mode of ["allow", "prefer", "require"])
        expect(await encrypted(postgresql.state(options(mode)))).toBe(true);
      const { port } = server;
      const words = { host: "127.0.0.1", port, user: "postgres", database: "tls" };
      expect(await encrypted(postgresql.state(words))).toBe(true);
      for (const mode of ["require", "verify-ca", "verify-full"])
        expect(await encrypted(postgresql.state(options(mode, { sslRootCert: rootCert })))).toBe(
          true,
        );
      expect(await failureOf(options("disable"))).toMatchObject({
        kind: "config",
        message: expect.stringMatching(/sslmode=require/),
      });
    });

    test("a certificate is checked by the modes that say so, and its name by verify-full", async () => {
      const refused = {
        kind: "config",
        message: expect.stringMatching(/certificate .*sslRootCert/),
      };
      for (const mode of ["verify-ca", "verify-full"])
        expect(await failureOf(options(mode))).toMatchObject(refused);
      const named = (mode: string) => ({
        connectionString: `${server.url("tls").replace("disable", mode)}&sslrootcert=${rootCert}`,
      });
      await stateOn(postgresql.state(named("verify-ca"))).get("k");
      expect(await failureOf(named("verify-full"))).toMatchObject(refused);
      expect(await failureOf(options("require", { sslRootCert: "/no/such.pem" }))).toMatchObject({
        kind: "config",
        message: expect.stringMatching(/sslRootCert \/no\/such\.pem cannot be read/),
      });
    });
  },
);
