import { join } from "node:path";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { localStateSuite } from "../conformance/suite.ts";
import { newFolder } from "../harness/folder.ts";

localStateSuite(
  "state.sqlite, a file",
  sqlite.state({ connectionString: join(newFolder("sqlite"), "state.db") }),
);
localStateSuite("state.sqlite, in memory", sqlite.state({ connectionString: ":memory:" }));
localStateSuite(
  "state.sqlite, a rollback journal and other tables",
  sqlite.state({
    connectionString: `file:${join(newFolder("sqlite"), "other.db")}`,
    disableWAL: true,
    tableName: "items",
    metadataTableName: "versions",
    keyPrefix: "none",
  }),
);
