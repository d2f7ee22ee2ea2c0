import { expect, test } from "vitest";
import { Bag } from "../../src/bag.ts";

function filled(count: number) {
  const bag = new Bag<{ at: number; readonly name: number }>();
  const items = Array.from({ length: count }, (_, name) => ({ at: -1, name }));
  for (const item of items) bag.add(item);
  const names = () => {
    const found: number[] = [];
    bag.each(({ name }) => found.push(name));
    return found.sort((one, other) => one - other);
  };
  return { bag, items, names };
}

test("what was added and not removed is in it, whatever the order", () => {
  const { bag, items, names } = filled(5);
  for (const at of [0, 4, 2] as const) bag.remove(items[at] as (typeof items)[0]);
  expect(names()).toEqual([1, 3]);
  expect(bag.size).toBe(2);
  for (const at of [4, 0] as const) bag.add(items[at] as (typeof items)[0]);
  expect(names()).toEqual([0, 1, 3, 4]);
});

test("what is not in it may be removed", () => {
  const { bag, items, names } = filled(3);
  const [first] = items as [(typeof items)[0]];
  bag.remove(first);
  bag.remove(first);
  bag.remove({ at: -1, name: 9 });
  expect(names()).toEqual([1, 2]);
  expect(bag.size).toBe(2);
});

test("each is visited once, also where visits remove what they are given", () => {
  const { bag } = filled(5);
  const visited: number[] = [];
  bag.each((item) => {
    visited.push(item.name);
    if (item.name % 2 === 0) bag.remove(item);
  });
  expect(visited.sort()).toEqual([0, 1, 2, 3, 4]);
  expect(bag.size).toBe(2);
});
