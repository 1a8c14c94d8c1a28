/** What is to happen, in the order of (time, insertion): the one scheduler of a world. A binary heap. */
export class EventQueue<Event> {
  readonly #heap: Entry<Event>[] = [];
  #inserted = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** When the next event is due; `Infinity` when there is none. */
  nextAt(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  push(at: number, event: Event): void {
    const heap = this.#heap;
    const entry = { at, order: this.#inserted++, event };
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as Entry<Event>;
      if (!isBefore(entry, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  /** Takes the next event out. Only called when there is one. */
  pop(): Event {
    const heap = this.#heap;
    const first = heap[0] as Entry<Event>;
    const last = heap.pop() as Entry<Event>;
    const size = heap.length;
    if (size === 0) return first.event;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= size) break;
      let child = heap[childIndex] as Entry<Event>;
      const right = heap[childIndex + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (!isBefore(child, last)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
    return first.event;
  }
}

type Entry<Event> = { readonly at: number; readonly order: number; readonly event: Event };

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
