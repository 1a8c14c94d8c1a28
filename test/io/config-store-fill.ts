/** A store of this process with a long chain, for who measures how it travels. */
import { linked } from "../../src/config/chain.ts";
import type { Change, Proposal } from "../../src/config/change.ts";
import type { StoreResult } from "../../src/config/store.ts";
import { Prng } from "../../src/base/prng.ts";
import { ConfigStore } from "../../src/io/config-store.ts";
import { type Ordered, StoreDriver } from "../conformance/config-store.ts";

export function startStore(directory: string): { readonly store: ConfigStore; readonly driver: StoreDriver } {
  const waiting = new Map<number, (result: StoreResult) => void>();
  let number = 0;
  const store = new ConfigStore({ directory, onResult: (result) => waiting.get(result.order)?.(result) });
  const order = (wanted: Ordered) =>
    new Promise<StoreResult>((resolve) => {
      waiting.set(number, resolve);
      store.order({ ...wanted, order: number++ });
    });
  const none = () => Promise.reject(new Error("not here"));
  return { store, driver: new StoreDriver({ order, cutPower: none, restart: none, dump: none }) };
}

/** Adds changes of some 5 KiB, which no compression makes small; 50 in a commit. */
export async function fillChain(driver: StoreDriver, count: number): Promise<void> {
  const prng = new Prng(1);
  const bytes = new Uint8Array(3_750);
  const head = driver.head;
  let last: Change | undefined;
  for (let made = 0; made < count;) {
    const changes: Change[] = [];
    for (; changes.length < 50 && made < count; made++) {
      for (let at = 0; at < bytes.length; at++) bytes[at] = prng.bits();
      const proposal: Proposal = {
        kind: "rows",
        author: "somebody",
        comment: bytes.toBase64(),
        key: "",
        card: 1 as Proposal["card"],
        time: 0,
        changeset: new Uint8Array(),
      };
      last = linked(last ?? head, 1, proposal);
      changes.push(last);
    }
    await driver.follow(changes);
  }
}
