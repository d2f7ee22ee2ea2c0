import * as d1 from "../../bindings/cloudflare/d1.ts";
import { serve } from "../../targets/workers/index.ts";
import { movableClock } from "../harness/clock.ts";
import { driven } from "./_driven.ts";

interface Database {
  prepare(sql: string): {
    bind(...values: unknown[]): { all(): Promise<{ results: unknown[] }> };
  };
}

const clock = movableClock();
const app = driven(clock, (env) => ({
  sql: async (sql: string, ...values: unknown[]) => {
    const statement = (env.DB as unknown as Database).prepare(sql).bind(...values);
    return (await statement.all()).results;
  },
}));

export default serve(app, {
  clock,
  components: {
    statestore: d1.state({ binding: "DB" }),
    // A word of SQL's, beside the other store in one database.
    word: d1.state({ binding: "DB", tableName: "order", metadataTableName: "group" }),
    foreign: d1.state({ binding: "DB", tableName: "customers" }),
    newer: d1.state({ binding: "DB", tableName: "newer", metadataTableName: "newer_metadata" }),
    dropped: d1.state({ binding: "DB", tableName: "dropped" }),
    cleaned: d1.state({ binding: "DB", tableName: "cleaned", cleanupInterval: "1m" }),
  },
});
