/**
 * The store as the replica sees it: the orders that are under way, what is to be done with their results, and what the last of them said.
 */
import type { Change, Head } from "./change.ts";
import { emptyHead, headOf } from "./chain.ts";
import type { Branch, StoreFault, StoreOrder, StoreOrderBody, StoreResult } from "./store.ts";

export type Opened = Extract<StoreResult, { kind: "opened" }>;
export type Take = (now: number, result: StoreResult) => void;
/** What an order changes, if anything: the head, or everything. */
type Changing = "commit" | "database";

export type Failure = {
  readonly fault: StoreFault;
  /** The changes that did not fit the tables. */
  readonly unfit: readonly Change[] | undefined;
};

export class Database {
  readonly #put: (order: StoreOrder) => void;
  readonly #orders = new Map<number, {
    readonly take: Take;
    readonly changing: Changing | undefined;
    /** The changes that it refuses when it says that they do not fit. */
    readonly changes: readonly Change[] | undefined;
  }>();
  #lastOrder = 0;
  #durable: Head = emptyHead;
  #ordered: Head = emptyHead;
  #level = 0;
  #levelMax = 0;
  branches: readonly Branch[] = [];

  constructor(put: (order: StoreOrder) => void) {
    this.#put = put;
  }

  /** The last change that the disk has. */
  get durable(): Head {
    return this.#durable;
  }

  /** The last change that the store was given. */
  get ordered(): Head {
    return this.#ordered;
  }

  /** The level of the tables, and the highest one that this software stores. */
  get level(): number {
    return this.#level;
  }

  get levelMax(): number {
    return this.#levelMax;
  }

  order(body: StoreOrderBody, take: Take, changing?: Changing): void {
    const order = ++this.#lastOrder;
    this.#orders.set(order, { take, changing, changes: body.kind === "commit" ? body.changes : undefined });
    this.#put({ order, ...body } as StoreOrder);
  }

  commit(changes: readonly Change[], taken: () => void): void {
    this.#ordered = headOf(changes.at(-1) as Change);
    this.order({ kind: "commit", changes }, (_now, result) => {
      if (result.kind !== "committed") return;
      this.#durable = result.head;
      this.#level = result.level;
      taken();
    }, "commit");
  }

  /** Whether the store is at something that moves its head. */
  isChanging(what?: Changing): boolean {
    for (const { changing } of this.#orders.values()) if (changing !== undefined && (what ?? changing) === changing) return true;
    return false;
  }

  /** Has a result taken by who wanted it; tells what failed. */
  onResult(now: number, result: StoreResult): Failure | undefined {
    const order = this.#orders.get(result.order);
    if (order === undefined) return undefined;
    this.#orders.delete(result.order);
    if (result.kind === "failed") return { fault: result.fault, unfit: result.fault.code === "divergent" ? order.changes : undefined };
    order.take(now, result);
    return undefined;
  }

  onOpened({ head, level, levelMax, branches }: Opened): void {
    this.#durable = this.#ordered = head;
    this.#level = level;
    this.#levelMax = levelMax;
    this.branches = branches;
  }

  /** Nobody waits for the orders that are under way any more. */
  forgetOrders(): void {
    this.#orders.clear();
  }

  /** The store carries nothing out that it was given besides what failed: who waits for it hears so. */
  failOrders(now: number, fault: StoreFault): void {
    const dropped = [...this.#orders];
    this.#orders.clear();
    for (const [order, { take }] of dropped) take(now, { order, kind: "failed", fault });
  }
}
