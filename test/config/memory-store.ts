/** A store in memory with one table a name, whose changesets are the operations as text: what a replica needs to be tested against. */
import type { CardId } from "../../src/base/ids.ts";
import { brokenLink, emptyHead, headOf, isSameHead, levelOf } from "../../src/config/chain.ts";
import type { Change, Head, Operation, Proposal, Wish } from "../../src/config/change.ts";
import type { Branch, Planned, StoreFault, StoreOrder, StoreResult } from "../../src/config/store.ts";

export class MemoryStore {
  readonly card: CardId;
  chain: Change[] = [];
  levelMax = 1;
  branches: Branch[] = [];
  fault: StoreFault | undefined;

  constructor(card: CardId) {
    this.card = card;
  }

  /** What is left of it when its card has crashed. */
  crashed(): MemoryStore {
    const store = new MemoryStore(this.card);
    store.chain = [...this.chain];
    store.levelMax = this.levelMax;
    store.branches = this.branches;
    return store;
  }

  get head(): Head {
    const last = this.chain.at(-1);
    return last === undefined ? emptyHead : headOf(last);
  }

  get level(): number {
    return this.chain.reduce((level, change) => change.kind === "migrate" ? levelOf(change) : level, 0);
  }

  rows(): Map<string, string> {
    const rows = new Map<string, string>();
    for (const { kind, changeset } of this.chain) if (kind === "rows") applyTo(rows, operationsOf(changeset));
    return rows;
  }

  carryOut(order: StoreOrder): StoreResult {
    if (this.fault !== undefined && order.kind !== "open") return { order: order.order, kind: "failed", fault: this.fault };
    return { order: order.order, ...this.#carryOut(order) } as StoreResult;
  }

  #carryOut(order: StoreOrder): Omit<Extract<StoreResult, { kind: StoreResult["kind"] }>, "order"> | object {
    switch (order.kind) {
      case "open":
        return this.#opened();
      case "plan": {
        const rows = this.rows();
        return { kind: "planned", outcomes: order.wishes.map((wish) => this.#plan(rows, wish)) };
      }
      case "commit": {
        for (const change of order.changes) {
          const broken = brokenLink(this.head, change);
          if (broken !== undefined) return { kind: "failed", fault: { code: "divergent", message: broken } };
          this.chain.push(change);
        }
        return { kind: "committed", head: this.head, level: this.level };
      }
      default:
        throw new Error(`this store does not know "${order.kind}"`);
    }
  }

  #opened(): object {
    return {
      kind: "opened",
      head: this.head,
      level: this.level,
      levelMax: this.levelMax,
      first: 1,
      branches: this.branches,
    };
  }

  #plan(rows: Map<string, string>, wish: Wish): Planned {
    const known = wish.key === "" ? undefined : this.chain.find(({ key, author }) => key === wish.key && author === wish.author);
    if (known !== undefined) return { kind: "known", head: headOf(known) };
    if (wish.expected !== undefined && !isSameHead({ ...this.head, hash: wish.expected }, this.head)) {
      return { kind: "refused", refusal: { code: "conflict", message: "the head is another one" } };
    }
    const isIdle = wish.operations.every((operation) =>
      operation.kind === "put" && rows.get(nameOf(operation)) === JSON.stringify(operation.row)
    );
    applyTo(rows, wish.operations);
    const { author, comment, key } = wish;
    const changeset = isIdle ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(wish.operations));
    const proposal: Proposal = { kind: "rows", author, comment, key, card: this.card, time: 0, changeset };
    return { kind: "planned", proposal };
  }
}

function operationsOf(changeset: Uint8Array): Operation[] {
  return changeset.length === 0 ? [] : JSON.parse(new TextDecoder().decode(changeset)) as Operation[];
}

function nameOf(operation: Operation): string {
  return `${operation.table} ${operation.kind === "put" ? operation.row.id : operation.id}`;
}

function applyTo(rows: Map<string, string>, operations: readonly Operation[]): void {
  for (const operation of operations) {
    if (operation.kind === "put") rows.set(nameOf(operation), JSON.stringify(operation.row));
    else rows.delete(nameOf(operation));
  }
}
