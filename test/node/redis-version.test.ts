import { expect, test } from "vitest";
import { writeCall } from "../../bindings/_redis.ts";

const write = { operation: "upsert", key: "key", value: { json: "1" } } as const;

function firstVersion(number: number): unknown {
  const random = { number: () => number, uuid: () => "" };
  return writeCall([write], { random, ttl: undefined, bytes: "bytes" }).args[0];
}

test("a new item's version is a whole number that Redis can count on from, whatever chance says", () => {
  expect(firstVersion(0)).toBe("100100100100100");
  expect(firstVersion(1 - 2 ** -53)).toBe("999999999999999");
});
