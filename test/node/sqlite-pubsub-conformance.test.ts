import { join } from "node:path";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { type PubSubSuiteOptions, pubSubSuite } from "../conformance/pubsub.ts";
import { newFolder } from "../harness/folder.ts";

const wildcard: PubSubSuiteOptions["wildcard"] = (name) => ({
  filter: `${name}/*`,
  inside: `${name}/new`,
  outside: `${name}s/new`,
});

const file = join(newFolder("queue"), "queue.db");
pubSubSuite(
  "pubsub.sqlite, a file",
  (consumerID) => sqlite.pubsub({ connectionString: file, consumerID }),
  { wildcard },
);

const journal = `file:${join(newFolder("queue"), "journal.db")}`;
pubSubSuite(
  "pubsub.sqlite, a rollback journal",
  (consumerID) => sqlite.pubsub({ connectionString: journal, disableWAL: true, consumerID }),
  { wildcard },
);
