import { describe, expect, test, vi } from "vitest";

const compiled = vi.hoisted(() => ({ times: 0 }));
vi.mock(import("@marcbachmann/cel-js"), async (original) => {
  const real = await original();
  class Environment extends real.Environment {
    override parse(rule: string) {
      compiled.times++;
      return super.parse(rule);
    }
  }
  return { ...real, Environment };
});

import { cel } from "../../src/cel.ts";
import type { CloudEvent } from "../../src/index.ts";

const event: CloudEvent = {
  id: "1",
  source: "shop",
  specversion: "1.0",
  type: "order.created",
  data: {
    n: 1,
    zero: 0,
    total: 10.5,
    text: "1",
    flag: true,
    none: null,
    tags: ["a", "b"],
    list: [1, 2, 3],
    who: { name: "Ann", address: { city: "Ulm" } },
    "odd key": 1,
  },
};

describe("a rule is true or false", () => {
  test.each<[string, boolean]>([
    ["event.type == 'order.created'", true],
    ['event.type == "order.created" && event.data.total > 10', true],
    ["event.type != 'order.created'", false],
    ["event['type'] == 'order.created'", true],
    // JSON's numbers are doubles, and compare with whole numbers.
    ["event.data.n == 1", true],
    ["event.data.n == 1.0", true],
    ["event.data.n == 1u", true],
    ["event.data.n != 2", true],
    ["event.data.n >= 1 && event.data.n < 2", true],
    ["event.data.total == 10.5", true],
    ["event.data.total > 10", true],
    ["event.data.zero == 0", true],
    ["-event.data.n == -1", true],
    ["event.data.n + 1.0 == 2.0", true],
    ["int(event.data.n) % 2 == 1", true],
    ["type(event.data.n) == double", true],
    ["event.data.n in [1, 2]", true],
    ["event.data.n in [2, 3]", false],
    ["event.data.n in ['a', 1]", true],
    ["1 in event.data.list", true],
    ["'a' in event.data.tags", true],
    ["'c' in event.data.tags", false],
    ["'n' in event.data", true],
    ["'x' in event.data", false],
    ["event.data.n == '1'", false],
    ["event.data.text == '1'", true],
    ["has(event.data.n)", true],
    ["has(event.data.none)", true],
    ["has(event.data.x)", false],
    ["has(event.subject)", false],
    ["has(event.data.toString)", false],
    ["has(event.data.x) && event.data.x == 1", false],
    ["has(event.data.x) ? event.data.x == 1 : event.data.n == 1", true],
    ["event.data.none == null", true],
    ["event.type.startsWith('order')", true],
    ["event.type.endsWith('created')", true],
    ["event.type.contains('er.cr')", true],
    ["event.type.matches('^order\\\\.[a-z]+$')", true],
    [String.raw`event.type.matches(r'^order\.[a-z]+$')`, true],
    ["event.type.matches('paid')", false],
    ["event.data.who.address.city == 'Ulm'", true],
    ["event.data['odd key'] == 1", true],
    ["size(event.data.tags) == 2", true],
    ["event.data.tags[1] == 'b'", true],
    ["event.data.tags.exists(tag, tag == 'b')", true],
    ["event.data.list.all(n, n > 0)", true],
    ["event.data.list == [1, 2, 3]", true],
    ["event.data.flag", true],
    ["!event.data.flag", false],
    // What is known decides, also where the other side fails.
    ["event.data.x == 1 || event.data.n == 1", true],
    ["event.data.x == 1 && event.data.n == 2", false],
    ["true", true],
  ])("%s", (rule, expected) => {
    expect(cel(rule)(event)).toBe(expected);
  });

  test("text, lists and bytes may be the data", () => {
    expect(cel("event.data == 'hi'")({ ...event, data: "hi" })).toBe(true);
    expect(cel("event.data[0].n == 2")({ ...event, data: [{ n: 2 }] })).toBe(true);
    const bytes = new Uint8Array([104, 105]);
    expect(cel("event.data == b'hi'")({ ...event, data: bytes })).toBe(true);
    expect(cel("event.data_base64 == 'aGk='")({ ...event, data: bytes })).toBe(true);
    expect(cel("has(event.data_base64)")(event)).toBe(false);
  });
});

describe("a rule fails on an event", () => {
  test.each([
    ["event.data.x == 1", "column 12: no such key"],
    ["event.data.x.y == 1", "column 12: no such key"],
    ["has(event.x.y)", "column 11: no such key"],
    ["event.subject == 'x'", "column 7: no such key"],
    ["event.constructor == 1", "column 7: no such key"],
    ["event.data.n > '1'", "column 1: no such overload"],
    ["event.data.n + 1 == 2", "column 1: no such overload"],
    ["event.data.n % 2 == 1", "column 1: no such overload"],
    ["event.data.n", "its result is no boolean"],
    ["event.data.none", "its result is no boolean"],
    ["event.type", "its result is no boolean"],
    ["event.type.matches('(')", "invalid regular expression"],
    ["event.data.who.name.matches(event.data.who.name + '(')", "invalid regular expression"],
  ])("%s: %s", (rule, why) => {
    const match = cel(rule);
    expect(() => match(event)).toThrow(`the rule ${rule}`);
    expect(() => match(event)).toThrow(why);
    expect(() => match(event)).not.toThrow("Ann");
  });
});

describe("a rule is refused at the start", () => {
  test.each([
    ["", "the rule , column 1: Unexpected token: EOF"],
    ["event.type ==", "the rule event.type ==, column 14: Unexpected token: EOF"],
    ["event.type == 'x' and true", "column 19: Unexpected character"],
    ["event.type = 'x'", "column 12"],
    ["event.type == 'x", "column 15"],
    ["event.data.n == 1 &&\n  event.type === 'x'", "line 2, column 16"],
    ["other == 1", "column 1: Unknown variable: other"],
    ["event.type == 'a' && data.n == 1", "column 22: Unknown variable: data"],
    ["event.type.foo()", "found no matching overload for 'dyn.foo()'"],
    ["foo(event.type)", "found no matching overload for 'foo(dyn)'"],
    ["1 == '1'", "no such overload: int == string"],
    ["1 + 1", "the rule 1 + 1 is neither true nor false: it is int"],
    ["'true'", "it is string"],
  ])("%j: %s", (rule, why) => {
    expect(() => cel(rule)).toThrow(expect.objectContaining({ code: "ERR_CONFIGURATION" }));
    expect(() => cel(rule)).toThrow(why);
    expect(() => cel(rule)).toThrow(`the rule ${rule}`);
  });

  test("what is no text is no rule", () => {
    expect(() => cel(undefined as unknown as string)).toThrow("a rule is text, not undefined");
  });
});

test("a rule is compiled once, however many events it sees", () => {
  const before = compiled.times;
  const match = cel("event.data.n == 1");
  for (let time = 0; time < 100; time++) match(event);
  expect(compiled.times - before).toBe(1);
});
