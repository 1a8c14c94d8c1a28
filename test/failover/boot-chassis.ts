/** Boot services of a chassis in one process: what one announces the others hear; power, views and the configuration are the test's. */
import type { CardId, LinkKind } from "../../src/base/ids.ts";
import { Boot, type BootInput, type BootOutput, type BootSettings } from "../../src/failover/boot.ts";
import type { BootEvidence, LastRun, SlotSense } from "../../src/failover/boot-type.ts";
import type { CheckOutcome, PostCheck } from "../../src/failover/self-test-checks.ts";

export const passed: CheckOutcome = { result: "passed", code: "", text: "", ms: 1 };
export const failed: CheckOutcome = { result: "failed", code: "broken", text: "it is broken", ms: 1 };

export const lastRun: LastRun = {
  machineBoot: "a",
  software: "1.0.0",
  ended: "open",
  role: "primary",
  maintenance: false,
  unreadyStarts: 0,
  sense: { incarnation: 1, powerOns: 0, resets: 0 },
};
export const sense: SlotSense = { incarnation: 1, powerOns: 0, resets: 0 };

export type CardOptions = {
  readonly evidence?: Partial<BootEvidence>;
  readonly sense?: SlotSense | undefined;
  readonly check?: (check: PostCheck) => CheckOutcome | undefined;
  readonly configuration?: "none" | "current" | "joining" | "hold";
};

export type Booting = {
  readonly id: CardId;
  readonly incarnation: number;
  readonly boot: Boot;
  readonly outputs: { readonly at: number; readonly output: BootOutput }[];
  options: CardOptions;
};

const delayMs: Record<LinkKind, number> = { ether: 1, serial: 8 };

export class BootChassis {
  now = 0;
  readonly cards = new Map<CardId, Booting>();
  readonly #electorate: readonly CardId[];
  readonly #settings: BootSettings;
  #waiting: { readonly at: number; readonly to: CardId; readonly incarnation: number; readonly input: BootInput }[] = [];
  #incarnation = 0;
  /** Between which cards nothing goes. */
  cut: (a: CardId, b: CardId) => boolean = () => false;

  constructor(count: number, settings: Partial<BootSettings> = {}) {
    this.#electorate = Array.from({ length: count }, (_, index) => index + 1 as CardId);
    this.#settings = {
      electorate: this.#electorate,
      periodMs: { ether: 100, serial: 200 },
      coldWaitMs: 300_000,
      announceMs: 0,
      ...settings,
    };
  }

  start(id: number, options: CardOptions = {}): Booting {
    const card = id as CardId;
    this.end(id);
    const evidence: BootEvidence = { machineBoot: "b", software: "1.0.0", maintenance: false, lastRun: undefined, ...options.evidence };
    const booting: Booting = {
      id: card,
      incarnation: ++this.#incarnation,
      boot: new Boot(card, evidence, this.#settings, this.now),
      outputs: [],
      options,
    };
    this.cards.set(card, booting);
    const configuration = options.configuration ?? "current";
    this.tell(id, { kind: "configuration", configuration: { state: configuration, sequence: 0, epoch: 0 } });
    for (const link of ["ether", "serial"] as const) this.tell(id, { kind: "port", link, up: true });
    const told = "sense" in options ? options.sense : sense;
    if (told !== undefined) this.tell(id, { kind: "multiplexor", sense: told });
    this.#view();
    return booting;
  }

  end(id: number): void {
    if (!this.cards.delete(id as CardId)) return;
    for (const other of this.cards.values()) this.#later(other, 30, { kind: "peer", card: id as CardId, heard: false });
    this.#view();
  }

  tell(id: number, input: BootInput): void {
    const booting = this.cards.get(id as CardId);
    if (booting !== undefined) this.#step(booting, input);
  }

  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      let at = until;
      for (const { boot } of this.cards.values()) at = Math.min(at, boot.deadline());
      for (const waiting of this.#waiting) at = Math.min(at, waiting.at);
      this.now = Math.max(this.now, at);
      const due = this.#waiting.filter((waiting) => waiting.at <= this.now);
      this.#waiting = this.#waiting.filter((waiting) => waiting.at > this.now);
      for (const { to, incarnation, input } of due) {
        const booting = this.cards.get(to);
        if (booting?.incarnation === incarnation) this.#step(booting, input);
      }
      const ticking = [...this.cards.values()].filter(({ boot }) => boot.deadline() <= this.now);
      for (const booting of ticking) this.#step(booting, { kind: "tick" });
      if (this.now >= until && due.length === 0 && ticking.length === 0) return;
    }
  }

  state(id: number): string {
    const booting = this.cards.get(id as CardId);
    if (booting === undefined) return "off";
    const { state, hold } = booting.boot.status(this.now);
    return hold === undefined ? state : `hold ${hold.code}`;
  }

  states(): string[] {
    return this.#electorate.map((card) => this.state(card));
  }

  #step(booting: Booting, input: BootInput): void {
    for (const output of booting.boot.step(this.now, input)) {
      booting.outputs.push({ at: this.now, output });
      if (output.kind === "check") {
        for (const check of output.checks) {
          const outcome = booting.options.check === undefined ? passed : booting.options.check(check);
          if (outcome !== undefined) this.#later(booting, 5, { kind: "checked", check, outcome });
        }
      }
      if (output.kind !== "announce") continue;
      for (const other of this.cards.values()) {
        if (other.id === booting.id || this.cut(other.id, booting.id)) continue;
        for (const link of ["ether", "serial"] as const) {
          const announced = { kind: "announced", from: booting.id, incarnation: booting.incarnation, message: output.message } as const;
          this.#later(other, delayMs[link], announced);
        }
      }
    }
  }

  #later(to: Booting, ms: number, input: BootInput): void {
    this.#waiting.push({ at: this.now + ms, to: to.id, incarnation: to.incarnation, input });
  }

  /** Heartbeats: who runs is heard, and more than half of the configured cards are a quorum. */
  #view(): void {
    const running = [...this.cards.values()];
    for (const one of running) {
      const heard = running.filter((other) => other === one || !this.cut(one.id, other.id));
      for (const other of heard) if (other !== one) this.#later(one, 120, { kind: "peer", card: other.id, heard: true });
      const holds = 2 * heard.length > this.#electorate.length;
      const reason = `${heard.length} of ${this.#electorate.length} cards`;
      this.#later(one, 450, { kind: "view", holds, reason });
    }
  }
}
