import { Redis } from "@upstash/redis";
import { describe } from "vitest";
import { localStateSuite } from "../conformance/suite.ts";
import { absentRedis } from "../harness/redis.ts";
import { later, upstashBed } from "./_upstash-beds.ts";

/** They wait for times to live, so they wait together. */
const together = { concurrent: true };
const reason = absentRedis();

describe.skipIf(reason)(reason ? `upstash (skipped: ${reason})` : "upstash", together, () => {
  const bed = upstashBed();
  localStateSuite(
    "state.upstash, on Node",
    later(() => bed.options),
  );
  // As it comes: answers in base64, what looks like JSON parsed, commands of one tick sent together.
  localStateSuite(
    "state.upstash, a client of one's own with its defaults",
    later(() => ({ client: new Redis(bed.options), keyPrefix: "name" })),
  );
});
