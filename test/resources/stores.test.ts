import { expect, test } from "vitest";
import type { Target } from "../../src/contracts/host.ts";
import { component, folderOf, load } from "./_folder.ts";

interface Store {
  readonly type: string;
  readonly version?: string;
  readonly target?: Target;
  /** Every setting that Dapr documents for the type and pillion has, as Dapr spells it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, unknown>>;
}

const stores: readonly Store[] = [
  { type: "state.in-memory", settings: {}, options: {} },
  {
    type: "state.sqlite",
    settings: {
      connectionString: "data.db",
      timeoutInSeconds: "20",
      busyTimeout: "2s",
      disableWAL: "false",
      tableName: "state",
      metadataTableName: "metadata",
      cleanupInterval: "1h",
    },
    options: {
      connectionString: "data.db",
      timeout: "20",
      busyTimeout: "2s",
      disableWAL: false,
      tableName: "state",
      metadataTableName: "metadata",
      cleanupInterval: "1h",
    },
  },
  {
    type: "state.redis",
    settings: {
      redisHost: "localhost:6379",
      redisUsername: '""',
      redisPassword: '"0123"',
      redisDB: '"0"',
      redisType: "node",
      enableTLS: '"false"',
      failover: "false",
      sentinelMasterName: "master",
      maxRetries: '"3"',
      redisMinRetryInterval: "8",
      dialTimeout: "5s",
      readTimeout: "3s",
      ttlInSeconds: "60",
      keyPrefix: "none",
    },
    options: {
      redisHost: "localhost:6379",
      redisPassword: "0123",
      redisDB: 0,
      redisType: "node",
      enableTLS: false,
      failover: false,
      sentinelMasterName: "master",
      redisMaxRetries: 3,
      redisMinRetryInterval: "8",
      dialTimeout: "5s",
      readTimeout: "3s",
      ttlInSeconds: 60,
      keyPrefix: "none",
    },
  },
  {
    type: "state.postgresql",
    settings: {
      connectionString: '"host=localhost user=postgres password=example port=5432 database=my_db"',
      timeoutInSeconds: "30",
      tableName: "state",
      metadataTableName: "dapr_metadata",
      cleanupInterval: '"-1"',
      maxConns: '"10"',
      connectionMaxIdleTime: "1m",
      queryExecMode: "exec",
    },
    options: {
      connectionString: "host=localhost user=postgres password=example port=5432 database=my_db",
      timeout: "30",
      tableName: "state",
      metadataTableName: "dapr_metadata",
      cleanupInterval: "0",
      maxConns: 10,
      connectionMaxIdleTime: "1m",
      queryExecMode: "exec",
    },
  },
  {
    type: "state.postgresql",
    version: "v2",
    settings: { url: "postgres://localhost/my_db", tablePrefix: "app_", useAWSIAM: "false" },
    options: {
      connectionString: "postgres://localhost/my_db",
      tablePrefix: "app_",
      useAWSIAM: false,
    },
  },
  {
    type: "state.aws.dynamodb",
    settings: {
      table: "orders",
      awsRegion: "eu-west-1",
      endpoint: '"http://localhost:8000"',
      accessKey: "AKIA",
      secretKey: "secret",
      sessionToken: "token",
      ttlAttributeName: "ttl",
      partitionKey: "id",
    },
    options: {
      table: "orders",
      region: "eu-west-1",
      endpoint: "http://localhost:8000",
      accessKey: "AKIA",
      secretKey: "secret",
      sessionToken: "token",
      ttlAttributeName: "ttl",
      partitionKey: "id",
    },
  },
  {
    type: "state.upstash",
    settings: { url: '"https://x.upstash.io"', token: "t", timeout: "3s" },
    options: { url: "https://x.upstash.io", token: "t", timeout: "3s" },
  },
  {
    type: "state.cloudflare.durableobjects",
    target: "workers",
    settings: { object: "orders" },
    options: { object: "orders" },
  },
  {
    type: "state.cloudflare.d1",
    target: "workers",
    settings: { binding: "DB", tableName: "items" },
    options: { binding: "DB", tableName: "items" },
  },
  {
    type: "state.cloudflare.workerskv",
    target: "workers",
    settings: {
      kvNamespaceID: "MY_KV",
      key: "pem",
      workerName: "w",
      workerUrl: '"https://w.dev/"',
      cfAPIToken: "t",
      cfAccountID: "a",
      timeoutInSeconds: "20",
    },
    options: {
      kvNamespaceID: "MY_KV",
      key: "pem",
      workerName: "w",
      workerUrl: "https://w.dev/",
      cfAPIToken: "t",
      cfAccountID: "a",
      timeoutInSeconds: "20",
    },
  },
];

test.each(stores.map((store) => [`${store.type}/${store.version ?? "v1"}`, store] as const))(
  "%s takes Dapr's settings by Dapr's names, in any case",
  async (_name, { type, version = "v1", target, settings, options }) => {
    for (const spell of [(name: string) => name, (name: string) => name.toUpperCase()]) {
      const entries = Object.entries(settings).map(
        ([name, value]) => `{ name: ${spell(name)}, value: ${value} }`,
      );
      const text = component("s", type, entries.join(", ")).replace(
        "version: v1",
        `version: ${version}`,
      );
      const { components, warnings } = await load(folderOf({ "a.yaml": text }), { target });
      expect(warnings).toEqual([]);
      expect(components.s?.options).toEqual(options);
    }
  },
);
