/** First in, first out. */
export interface Queue<T> {
  readonly length: number;
  readonly first: T | undefined;
  push(item: T): void;
  shift(): void;
}

/** Of any length: an array's own shift() moves all that is behind. */
export function createQueue<T>(): Queue<T> {
  const items: (T | undefined)[] = [];
  let head = 0;
  return {
    get length() {
      return items.length - head;
    },
    get first() {
      return items[head];
    },
    push: (item) => void items.push(item),
    shift() {
      if (head === items.length) return;
      // What left must not stay in memory.
      items[head] = undefined;
      head++;
      if (head > 1000 && head * 2 > items.length) {
        items.splice(0, head);
        head = 0;
      }
    },
  };
}
