/**
 * A rehearsal: three nodes in memory go from their start to a takeover, over links that take no time. What a card needs when another one fails has never run
 * when it first does, and a runtime compiles code when it runs first: that alone took longer than all else that follows a receipt. So each card's program
 * rehearses once, before it opens a link. Pure: it leaves nothing behind but code that is compiled.
 */
import { cardAt, type CardId, cardName, everybody, type LinkKind, linkKinds, multiplexor, slotOf } from "../base/ids.ts";
import type { Row } from "../config/change.ts";
import type { CheckOutcome } from "../failover/self-test-checks.ts";
import { type FailoverTable, failoverTables } from "../failover/service-types.ts";
import { keyBytes, rehearsalMsMax, rehearsalStepsMax } from "../limits.ts";
import { Keyring } from "../wire/auth.ts";
import { decodeFrame, encodeFrame, isMalformed } from "../wire/frame.ts";
import type { Message } from "../wire/message.ts";
import { encodeSerial, SerialDecoder } from "../wire/serial.ts";
import type { Effect } from "./effect.ts";
import type { Input } from "./input.ts";
import { Node } from "./node.ts";
import { patiencesOf } from "./profiles.ts";
import type { NodeSettings } from "./settings.ts";

const system = 1;
const cards: readonly CardId[] = [1, 2, 3].map((slot) => cardAt(1, slot));
const settings: NodeSettings = {
  ...patiencesOf("default"),
  baud: 115_200,
  expected: cards,
  disabled: [],
  witness: false,
  redundantLinks: true,
  coldWaitMs: 1_000,
};
const passed: CheckOutcome = { result: "passed", code: "", text: "", ms: 0 };

export type Rehearsed = {
  /** Whether what the first card had was started by another one. */
  readonly isTakenOver: boolean;
  readonly steps: number;
};

export function rehearse(): Rehearsed {
  return new Rehearsal().run();
}

class Rehearsal {
  readonly #keyring = new Keyring([new Uint8Array(keyBytes)]);
  readonly #nodes = new Map<CardId, Node>();
  readonly #inputs: { readonly to: CardId; readonly input: Input }[] = [];
  readonly #starts: CardId[] = [];
  #now = 0;
  #steps = 0;
  #muxSequence = 0;

  run(): Rehearsed {
    for (const card of cards) this.#nodes.set(card, new Node(identityOf(card), settings, 0));
    this.#tellPower();
    for (const card of cards) {
      for (const link of linkKinds) this.#tell(card, { kind: "portUp", link });
      this.#tell(card, { kind: "resourcesFound" });
      this.#tell(card, { kind: "failover", input: { kind: "configuration", place: { epoch: 1, sequence: 1 }, rows } });
    }
    this.#runUntil(() => this.#starts.length > 0);
    const served = this.#now;
    this.#runUntil(() => this.#now >= served + restMs);
    const [owner] = this.#starts;
    // It ends without a word.
    if (owner !== undefined) this.#nodes.delete(owner);
    this.#runUntil(() => this.#starts.length > 1);
    const taken = this.#now;
    this.#runUntil(() => this.#now >= taken + restMs);
    return { isTakenOver: this.#starts.length > 1, steps: this.#steps };
  }

  #runUntil(isOver: () => boolean): void {
    for (;;) {
      for (let item = this.#inputs.shift(); item !== undefined; item = this.#inputs.shift()) this.#step(item.to, item.input);
      const due = [...this.#nodes].reduce((first, next) => next[1].deadline() < first[1].deadline() ? next : first);
      if (isOver() || this.#steps > rehearsalStepsMax || due[1].deadline() > rehearsalMsMax) return;
      this.#now = Math.max(this.#now, due[1].deadline());
      this.#tell(due[0], { kind: "tick" });
    }
  }

  #tell(to: CardId, input: Input): void {
    this.#inputs.push({ to, input });
  }

  #step(card: CardId, input: Input): void {
    const node = this.#nodes.get(card);
    if (node === undefined) return;
    this.#steps++;
    for (const effect of node.step(this.#now, input)) this.#carryOut(card, effect);
  }

  #carryOut(card: CardId, effect: Effect): void {
    switch (effect.kind) {
      case "send": {
        const { link, to, sequence, message } = effect;
        if (to === multiplexor) return this.#onOrder(message);
        const bytes = encodeFrame(link, this.#keyring, { system, from: card, to, incarnation: 1, sequence, message });
        return this.#deliver(link, bytes, (other) => other !== card && (to === everybody || to === other));
      }
      case "reserve":
        return this.#tell(card, { kind: "reserved", upTo: effect.upTo });
      case "post":
        for (const check of effect.checks) this.#tell(card, { kind: "postChecked", check, outcome: passed });
        return;
      case "selfTest":
        for (const check of effect.checks) this.#tell(card, { kind: "selfTestChecked", run: effect.run, check, outcome: passed });
        return;
      case "hook": {
        const { order, hook, resource } = effect.order;
        if (hook === "start") this.#starts.push(card);
        const result = { order, hook, resource, outcome: "done", reason: "", ms: 1 } as const;
        return this.#tell(card, { kind: "failover", input: { kind: "hookEnded", result } });
      }
      default:
        return;
    }
  }

  #deliver(link: LinkKind, bytes: Uint8Array, hears: (card: CardId) => boolean): void {
    for (const card of this.#nodes.keys()) {
      if (!hears(card)) continue;
      for (const item of link === "serial" ? new SerialDecoder().push(encodeSerial(bytes)) : [bytes]) {
        const frame = item instanceof Uint8Array ? decodeFrame(link, this.#keyring, system, item) : item;
        if (!isMalformed(frame)) this.#tell(card, { kind: "heard", link, frame });
      }
    }
  }

  // ---- the multiplexor

  #onOrder(message: Message): void {
    if (message.kind !== "muxReset") return;
    const { id, slot, incarnation } = message;
    this.#say({ kind: "muxReceipt", id, slot, outcome: "reset", ...(incarnation === undefined ? {} : { incarnation }) });
  }

  #tellPower(): void {
    const powered = cards.reduce((bits, card) => bits | (1 << (slotOf(card) - 1)), 0);
    this.#say({ kind: "muxPower", powered, starts: new Uint8Array(16) });
  }

  #say(message: Message): void {
    const frame = { system, from: multiplexor, to: everybody, incarnation: 1, sequence: this.#muxSequence++, message } as const;
    this.#deliver("serial", encodeFrame("serial", this.#keyring, frame), () => true);
  }
}

/** For what is said after a thing has begun to run. */
const restMs = 500;

function identityOf(card: CardId): ConstructorParameters<typeof Node>[0] {
  return {
    system,
    card,
    incarnation: 1,
    uid: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, card),
    name: cardName(card),
    nonce: card,
    software: "rehearsal",
    reservedView: 0,
  };
}

/** A set of all three, and an address that it serves. */
const rows: Readonly<Record<FailoverTable, readonly Row[]>> = {
  ...(Object.fromEntries(failoverTables.map((table) => [table, []])) as unknown as Record<FailoverTable, readonly Row[]>),
  cards: cards.map((card) => ({ id: cardName(card), enabled: 1, capacity: 100 })),
  failoverSets: [{ id: "set", composition: "single" }],
  setMembers: cards.map((card, index) => ({ id: `set/${card}`, set: "set", card: cardName(card), rank: index + 1, spare: 0 })),
  services: [{ id: "service", set: "set", enabled: 1, weight: 10, priority: 0 }],
  resources: [
    { id: "address", kind: "address", service: "service", address: "192.0.2.1", prefix: 24, interface: "eth0", startS: 2, stopS: 2 },
  ],
};
