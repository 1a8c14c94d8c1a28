/**
 * Several group services on one perfect order: a list of entries with views between them, and each card's place in it.
 * It stands for what the Delta protocol gives them: what a card submits is put into the list when the test says so, and each
 * card takes the list's next entry when the test says so. Checks, whatever the test does: equal sequence, equal state; and
 * what one client is told follows the sequence.
 */
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../../src/cluster/application.ts";
import { Groups, type GroupsInput, type GroupsOutput } from "../../src/cluster/group.ts";
import { decodeGroupEntry, type GroupEntry } from "../../src/cluster/group-entry.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import type { Entry } from "../../src/wire/message.ts";

export type EventOf<Kind extends ApplicationEvent["kind"]> = Extract<ApplicationEvent, { kind: Kind }>;

type Item =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "epoch"; readonly view: NodeView; readonly whole: readonly CardId[] };

/** One incarnation of a card, and what stands for its Delta. */
export type Run = {
  readonly card: CardId;
  readonly incarnation: number;
  readonly groups: Groups;
  /** How far it has come. */
  at: number;
  /** In the `ether` of the newest view. */
  isIn: boolean;
  isOpen: boolean;
  isWhole: boolean;
  previous: number;
  lastId: number;
  pending: Entry[];
  control: Entry[];
  failing: string[];
  /** What each client was told, and at which place in the order. */
  readonly told: Map<number, { readonly event: ApplicationEvent; readonly at: number }[]>;
  readonly closed: Map<number, string>;
  readonly logged: Extract<GroupsOutput, { kind: "log" }>[];
};

export const cards = [1, 2, 3, 4, 5].map((slot) => cardAt(1, slot));
export const [one, two, three, four, five] = cards as [CardId, CardId, CardId, CardId, CardId];

export class Order {
  now = 0;
  readonly items: Item[] = [];
  readonly runs = new Map<CardId, Run>();
  view: NodeView | undefined;
  readonly #digests = new Map<number, string>();
  readonly #lastIds = new Map<string, number>();

  start(card: CardId, incarnation = 1): Run {
    const run: Run = {
      card,
      incarnation,
      groups: new Groups(card, incarnation),
      at: 0,
      isIn: false,
      isOpen: true,
      isWhole: false,
      previous: 0,
      lastId: 0,
      pending: [],
      control: [],
      failing: [],
      told: new Map(),
      closed: new Map(),
      logged: [],
    };
    this.runs.set(card, run);
    return run;
  }

  runOf(card: CardId): Run {
    return this.runs.get(card) as Run;
  }

  /** The runs of the newest view's order. */
  in(): Run[] {
    return [...this.runs.values()].filter(({ isIn }) => isIn);
  }

  /**
   * A new view. Cards in `losing` have lost their place, as have those that start. Control entries that are not ordered are void.
   * Without Ethernet there is no epoch, and the order stands still.
   */
  change(members: readonly CardId[], options: { ether?: readonly CardId[]; losing?: readonly CardId[] } = {}): NodeView {
    const ether = options.ether ?? members;
    const number = (this.view?.number ?? 0) + 1;
    const view: NodeView = {
      number,
      coordinator: members[0] as CardId,
      members: members.map((card) => {
        const { incarnation, previous } = this.runOf(card);
        return { card, incarnation, previous };
      }),
      ether,
      absent: [],
    };
    this.view = view;
    const last = this.items.length;
    const skipping = ether.filter((card) => options.losing?.includes(card) === true || (this.runOf(card).at === 0 && last > 0));
    const whole = ether.filter((card) => !skipping.includes(card) && this.runOf(card).isWhole);
    if (ether.length > 0) this.items.push({ kind: "epoch", view, whole });
    for (const run of this.runs.values()) {
      run.control = [];
      if (members.includes(run.card)) run.previous = number;
      const wasIn = run.isIn;
      run.isIn = ether.includes(run.card);
      if (wasIn && !run.isIn) this.step(run, { kind: "stopped", reason: "no quorum" });
      if (!skipping.includes(run.card)) continue;
      const ordered = this.#lastIds.get(keyOf(run)) ?? 0;
      run.isWhole = false;
      run.at = last;
      run.pending = run.pending.filter(({ id }) => id > ordered);
      this.step(run, { kind: "skipped", sequence: last + 1, ordered });
    }
    return view;
  }

  /** Which of so many control entries comes into the order next, and whether it will come once more. */
  pick: (count: number) => { readonly index: number; readonly isTwice: boolean } = () => ({ index: 0, isTwice: false });

  /** Puts what a card submitted first into the order, its control entries before its data. Gives whether there was something. */
  order(run: Run): boolean {
    const isLevel = run.at > this.items.findLastIndex(({ kind }) => kind === "epoch");
    if (!run.isIn || !isLevel) return false;
    const { index, isTwice } = this.pick(run.control.length);
    const control = run.control[index];
    if (control !== undefined && !isTwice) run.control.splice(index, 1);
    const entry = control ?? (run.isOpen ? run.pending.find(({ id }) => id > (this.#lastIds.get(keyOf(run)) ?? 0)) : undefined);
    if (entry === undefined) return false;
    if (entry.type === "data") this.#lastIds.set(keyOf(run), entry.id);
    this.items.push({ kind: "entry", entry });
    return true;
  }

  /** Gives a card the next entry. */
  deliver(run: Run): boolean {
    const item = this.items[run.at];
    if (!run.isIn || item === undefined) return false;
    const sequence = ++run.at;
    if (item.kind === "entry") {
      if (item.entry.origin === run.card) run.pending = run.pending.filter((pending) => pending !== item.entry);
      this.step(run, { kind: "delivered", sequence, entry: item.entry });
    } else {
      this.step(run, { kind: "epoch", sequence, view: item.view, whole: item.whole });
      if (item.view === this.view) this.step(run, { kind: "running" });
    }
    const known = run.groups.digest();
    if (known === undefined) return true;
    assert.is(known.sequence, sequence);
    assert.is(known.digest, this.#digests.get(sequence) ?? known.digest, `equal state after ${sequence} on card ${run.card}`);
    this.#digests.set(sequence, known.digest);
    return true;
  }

  /** Until nothing is left to do for the cards of the view. */
  calm(): void {
    for (let round = 0, isBusy = true; isBusy; round++) {
      assert.ok(round < 1_000, "the order comes to rest");
      isBusy = false;
      for (const run of this.in()) while (this.deliver(run)) isBusy = true;
      for (const run of this.in()) for (let count = 0; count < 16 && this.order(run); count++) isBusy = true;
    }
  }

  step(run: Run, input: GroupsInput): void {
    for (const output of run.groups.step(this.now, input)) this.#perform(run, output);
  }

  /** Lets time pass, timers on the way. */
  pass(ms: number): void {
    const until = this.now + ms;
    const due = () => Math.min(...[...this.runs.values()].map(({ groups }) => groups.deadline()));
    while (due() <= until) {
      this.now = Math.max(this.now, due());
      for (const run of this.runs.values()) {
        if (run.groups.deadline() > this.now) continue;
        this.step(run, { kind: "tick" });
        assert.ok(run.groups.deadline() > this.now, "a tick moves the deadline on");
      }
    }
    this.now = until;
  }

  ask(run: Run, client: number, request: ApplicationRequest): void {
    this.step(run, { kind: "application", client, request });
  }

  join(
    run: Run,
    client: number,
    group: string,
    member: { name?: string; critical?: boolean; monitorMs?: number; request?: number } = {},
  ): void {
    this.ask(run, client, { kind: "join", request: 1, group, name: "", critical: false, monitorMs: 0, ...member });
  }

  send(run: Run, client: number, group: string, text: string, request = 2): void {
    this.ask(run, client, { kind: "send", request, group, data: new TextEncoder().encode(text) });
  }

  gone(run: Run, client: number): void {
    this.step(run, { kind: "applicationGone", client, reason: "end of stream" });
  }

  told(run: Run, client: number): ApplicationEvent[] {
    return (run.told.get(client) ?? []).map(({ event }) => event);
  }

  toldOf<Kind extends ApplicationEvent["kind"]>(run: Run, client: number, kind: Kind): EventOf<Kind>[] {
    return this.told(run, client).filter((event) => event.kind === kind) as EventOf<Kind>[];
  }

  /** What a client was told since the last time that this was asked. */
  news(run: Run, client: number): string[] {
    const lines = this.told(run, client).map(lineOf);
    run.told.set(client, []);
    return lines;
  }

  bodies(): (GroupEntry | undefined)[] {
    return this.items.map((item) => item.kind === "entry" ? decodeGroupEntry(item.entry.type, item.entry.body) : undefined);
  }

  /** "1.2 4.1": the members of a group as a card has them, card and number. */
  members(run: Run, group: string): string {
    const known = run.groups.status().groups.find(({ name }) => name === group);
    return known?.members.map(({ card, number }) => `${card}.${number}`).join(" ") ?? "";
  }

  #perform(run: Run, output: GroupsOutput): void {
    switch (output.kind) {
      case "submit": {
        const isControl = output.type === "control";
        const entry = { type: output.type, origin: run.card, id: isControl ? 0 : ++run.lastId, body: output.body };
        if (isControl) run.control.push(entry);
        else run.pending.push(entry);
        break;
      }
      case "open":
        run.isOpen = output.open;
        break;
      case "whole":
        run.isWhole = true;
        break;
      case "event":
        this.#onEvent(run, output.client, output.event);
        break;
      case "close":
        run.closed.set(output.client, output.reason);
        break;
      case "failing":
        run.failing.push(output.reason);
        break;
      case "log":
        run.logged.push(output);
        break;
    }
  }

  #onEvent(run: Run, client: number, event: ApplicationEvent): void {
    const told = run.told.get(client) ?? [];
    const last = told.findLast((other) => sequenceOf(other.event) > 0);
    const sequence = sequenceOf(event);
    assert.ok(last === undefined || sequence === 0 || sequenceOf(last.event) <= sequence, `${event.kind} ${sequence} follows the sequence`);
    told.push({ event, at: run.at });
    run.told.set(client, told);
  }
}

export function sequenceOf(event: ApplicationEvent): number {
  return "sequence" in event ? event.sequence : 0;
}

function keyOf({ card, incarnation }: Run): string {
  return `${card}/${incarnation}`;
}

const fromUtf8 = new TextDecoder();

/** An event as a line: members as card.number, "view 3 g: 1.1 2.1 (+2.1 joined)". */
export function lineOf(event: ApplicationEvent): string {
  switch (event.kind) {
    case "joined":
      return `joined ${event.group} as ${event.member.card}.${event.member.number}, view ${viewText(event.view)}`;
    case "left":
      return `left ${event.group}`;
    case "watching":
      return `watching ${event.group}, view ${viewText(event.view)}`;
    case "sent":
      return `sent ${event.request}${event.sequence === 0 ? " elsewhere" : ""}`;
    case "refused":
      return `refused ${event.code}`;
    case "message":
      return `message ${event.group} from ${event.from.card}.${event.from.number}: ${fromUtf8.decode(event.data)}`;
    case "view":
      return `view ${event.group} ${viewText(event.view)}${
        event.changes.map(({ member, change }) => `, ${member.card}.${member.number} ${change}`).join("")
      }`;
    case "lost":
      return `lost ${event.group}`;
    case "stopped":
      return `stopped: ${event.reason}`;
    case "resumed":
      return "resumed";
    case "monitor":
      return `monitor within ${event.withinMs}`;
  }
}

function viewText({ number, members }: { number: number; members: readonly { card: CardId; number: number }[] }): string {
  return `${number}: ${members.map((member) => `${member.card}.${member.number}`).join(" ")}`.trimEnd();
}
