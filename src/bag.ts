/** What a {@link Bag} holds. It is in one bag at a time. */
export interface Bagged {
  /** Where it stands in its bag; below 0 outside. */
  at: number;
}

/**
 * Things that come and go by the thousand, in no order. In the place of a Set: the tables that one outgrows hold each other, and
 * all that was ever in them, until V8 collects its old objects.
 */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    item.at = this.#items.push(item) - 1;
  }

  /** Does nothing with what is not in it. */
  remove(item: T): void {
    const { at } = item;
    if (at < 0) return;
    item.at = -1;
    const last = this.#items.pop() as T;
    if (last === item) return;
    this.#items[at] = last;
    last.at = at;
  }

  /** Visits each once; a visit may remove what it is given. */
  each(visit: (item: T) => void): void {
    // From the end: what is removed leaves its place to one that was visited before.
    for (let at = this.#items.length - 1; at >= 0; at--) {
      visit(this.#items[at] as T);
    }
  }
}
