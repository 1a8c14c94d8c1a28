/**
 * Members that exchange group data over one perfect order: each says something, the test puts it into the order, each
 * member takes the order's entries at its own pace. When one is lost, what nobody had put into the order is lost with it.
 */
import * as assert from "uvu/assert";
import { Exchange, type ExchangeMessage } from "../../src/cluster/exchange.ts";

type Item =
  | { readonly kind: "request"; readonly id: number; readonly subgroups: readonly (readonly number[])[] }
  | { readonly kind: "message"; readonly from: number; readonly message: ExchangeMessage }
  | { readonly kind: "failed"; readonly members: readonly number[] };

export type Finish = { readonly at: number; readonly data: readonly (string | undefined)[] };

type Taker = {
  readonly name: number;
  readonly exchange: Exchange<number>;
  at: number;
  isLost: boolean;
  says: ExchangeMessage[];
  finish: Finish | undefined;
};

export class ExchangeOrder {
  readonly items: Item[] = [];
  readonly takers = new Map<number, Taker>();
  /** The subgroups for which a member was asked for the data, in order. */
  readonly asked: { readonly name: number; readonly subgroup: number }[] = [];

  constructor(subgroups: readonly (readonly number[])[], observers: readonly number[] = []) {
    for (const name of [...subgroups.flat(), ...observers]) {
      this.takers.set(name, { name, exchange: new Exchange(name), at: 0, isLost: false, says: [], finish: undefined });
    }
    this.request(subgroups);
  }

  request(subgroups: readonly (readonly number[])[], id = 1): void {
    this.items.push({ kind: "request", id, subgroups });
  }

  taker(name: number): Taker {
    return this.takers.get(name) as Taker;
  }

  live(): Taker[] {
    return [...this.takers.values()].filter(({ isLost }) => !isLost);
  }

  /** Puts the next that a member says into the order; `index` for one that comes out of turn. */
  order(name: number, index = 0): boolean {
    const [message] = this.taker(name).says.splice(index, 1);
    if (message !== undefined) this.items.push({ kind: "message", from: name, message });
    return message !== undefined;
  }

  /** Members are lost. What is not in the order of anybody is void. */
  lose(...members: number[]): void {
    for (const name of members) this.taker(name).isLost = true;
    for (const taker of this.takers.values()) taker.says = [];
    this.items.push({ kind: "failed", members });
  }

  deliver(name: number): boolean {
    const taker = this.taker(name);
    const item = this.items[taker.at];
    if (item === undefined || taker.isLost) return false;
    taker.at++;
    const data = (subgroup: number) => {
      assert.not(taker.exchange.hasData(subgroup), "nobody says again what has arrived");
      this.asked.push({ name, subgroup });
      return new TextEncoder().encode(`${name} for ${subgroup}`);
    };
    const outputs = item.kind === "request"
      ? taker.exchange.step({ ...item, data })
      : item.kind === "failed"
      ? taker.exchange.step(item)
      : taker.exchange.step({ ...item.message, from: item.from });
    for (const output of outputs) {
      if (output.kind === "send") taker.says.push(output.message);
      else {
        assert.is(taker.finish, undefined, "finished once");
        taker.finish = {
          at: taker.at,
          data: output.data.map((bytes) => bytes === undefined ? undefined : new TextDecoder().decode(bytes)),
        };
      }
    }
    return true;
  }

  /** What a member has said and is not in the order: "data", "ack 1". */
  says(name: number): string {
    return this.taker(name).says.map((message) => message.kind === "groupData" ? "data" : `ack ${message.round}`).join(", ");
  }

  /** Everybody takes all that there is, and says nothing into the order. */
  deliverAll(): void {
    for (const { name } of this.live()) while (this.deliver(name));
  }

  calm(): void {
    for (let round = 0, isBusy = true; isBusy; round++) {
      assert.ok(round < 1_000, "the exchange comes to rest");
      this.deliverAll();
      isBusy = this.live().map(({ name }) => this.order(name)).includes(true);
    }
  }

  /** What the live members finished with; the same for all. */
  finish(): Finish | undefined {
    const [first, ...others] = this.live().map(({ finish }) => finish);
    for (const other of others) assert.equal(other, first);
    return first;
  }
}
