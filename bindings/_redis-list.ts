import type { KeyPage } from "../src/contracts/state.ts";

/** The pattern of SCAN that fits every key that starts with `prefix`, and no other. */
export function patternOf(prefix: string): string {
  return `${prefix.replace(/[*?[\]\\]/g, "\\$&")}*`;
}

/** Picks the first keys after a cursor out of keys that come in no order, some of them twice. */
export interface Picker {
  add(keys: readonly string[]): void;
  /** In the order of their bytes: a page, and one key more where there is another page. */
  picked(): string[];
}

/** Holds no more than a few pages, however many keys there are. */
export function picker(limit: number, cursor: string | undefined): Picker {
  let held: string[] = [];
  /** Keys past it are not of this page: so many smaller ones are held. */
  let bound: string | undefined;
  return {
    add(keys) {
      for (const key of keys) {
        if (cursor !== undefined && compare(key, cursor) <= 0) continue;
        if (bound === undefined || compare(key, bound) < 0) held.push(key);
      }
      if (held.length > 4 * limit + 1000) shorten();
    },
    picked() {
      shorten();
      return held;
    },
  };

  function shorten(): void {
    held = [...new Set(held)].sort(compare).slice(0, limit + 1);
    if (held.length > limit) bound = held.at(-1);
  }
}

/** `types` are the servers' names for what is under each picked key: nothing but a hash or a string is an item. */
export function toPage(
  picked: readonly string[],
  types: readonly string[],
  limit: number,
): KeyPage {
  const keys = picked.slice(0, limit);
  return {
    keys: keys.filter((_, index) => types[index] === "hash" || types[index] === "string"),
    cursor: picked.length > limit ? keys.at(-1) : undefined,
  };
}

/** By the bytes of UTF-8, which is by code point. */
function compare(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [x, y] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Halves of surrogate pairs stand for characters past U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
