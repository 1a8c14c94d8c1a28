/**
 * The records of failovers as this card keeps them: opened and folded from what follows from the order, so that every card has the same ones; the
 * instants are each card's own estimate of the order's time at the place where it learned of a thing. Pure.
 */
import type { CardId } from "../base/ids.ts";
import { failoverCloseMs, failoverRecordsMax } from "../limits.ts";
import { addEvent, type FailoverEvent, type FailoverRecord, type FailoverSubject, openRecord } from "./failover-record.ts";
import type { ServiceId } from "./config.ts";
import type { Happening } from "./service-state.ts";

export class Records {
  #records: readonly FailoverRecord[] = [];
  #last = 0;
  /** When something came to each open record last. */
  readonly #touched = new Map<number, number>();
  /** Which record tells of a service that is on its way. */
  readonly #ofService = new Map<ServiceId, number>();
  readonly #changed = new Set<number>();
  /** Cards that are gone, and nothing proves that they are down. */
  readonly #unproven = new Set<CardId>();
  /** What proved a card's end before there was a record of it. */
  readonly #ended = new Map<CardId, Extract<FailoverEvent, { readonly kind: "receipt" }>>();

  /** What another card has folded, where this one knows none. */
  take(records: readonly FailoverRecord[], last: number): void {
    if (this.#last >= last) return;
    this.#records = records;
    this.#last = last;
  }

  /** Numbers up to this one are taken. */
  above(last: number): void {
    this.#last = Math.max(this.#last, last);
  }

  get list(): readonly FailoverRecord[] {
    return this.#records;
  }

  get last(): number {
    return this.#last;
  }

  deadline(): number {
    let deadline = Infinity;
    for (const [id, at] of this.#touched) if (!this.#isUnproven(id)) deadline = Math.min(deadline, at + failoverCloseMs);
    return deadline;
  }

  /** Those that have changed since they were asked for last. */
  takeChanged(): FailoverRecord[] {
    const changed = this.#records.filter(({ id }) => this.#changed.has(id));
    this.#changed.clear();
    return changed;
  }

  onTick(at: number): void {
    for (const [id, touchedAt] of [...this.#touched]) {
      if (at < touchedAt + failoverCloseMs || this.#isUnproven(id)) continue;
      const record = this.#records.find((one) => one.id === id);
      const isMoving = record?.phase === "granted" || record?.phase === "characterized" || record?.phase === "detected" ||
        record?.phase === "shielded";
      this.#add(id, { kind: "closed", at, text: isMoving ? "nothing more was to be done" : "all that it moved runs" });
      this.#touched.delete(id);
      for (const [service, of] of [...this.#ofService]) if (of === id) this.#ofService.delete(service);
    }
  }

  /** Nothing proves yet that its card is down: a lease takes its time, and what follows on it belongs to this. */
  #isUnproven(id: number): boolean {
    const record = this.#records.find((one) => one.id === id);
    return record?.subject.kind === "card" && this.#unproven.has(record.subject.card) && record.receipt === undefined;
  }

  onEvidence(about: CardId, events: readonly FailoverEvent[]): void {
    const record = this.#openOf({ kind: "card", card: about });
    for (const event of events) if (record !== undefined) this.#add(record, event);
  }

  /** `owned`: the services that each card had before what happened. */
  onHappenings(at: number, view: number, happenings: readonly Happening[], owned: (card: CardId) => readonly ServiceId[]): void {
    for (const happening of happenings) this.#onHappening(at, view, happening, owned);
  }

  #onHappening(at: number, view: number, happening: Happening, owned: (card: CardId) => readonly ServiceId[]): void {
    switch (happening.kind) {
      case "cardGone": {
        const { card, state, by: sayer } = happening;
        if (state === "unknown") this.#unproven.add(card);
        else this.#unproven.delete(card);
        const services = owned(card);
        const subject: FailoverSubject = { kind: "card", card };
        if (services.length === 0 && this.#openOf(subject) === undefined) return;
        const id = this.#openOf(subject) ?? this.#open(subject, view, at);
        for (const service of services) this.#ofService.set(service, id);
        const text = state === "unknown" ? "silent, and nothing proves that it is down" : state === "down" ? "proven down" : "started anew";
        this.#add(id, { kind: "evidence", at, by: sayer, source: "view", text });
        // What it was taken for when it was taken over from stays.
        const isJudged = this.#records.some((record) => record.id === id && record.verdict !== undefined);
        if (state === "unknown" || isJudged) return;
        this.#add(id, { kind: "characterized", at, verdict: "member failure", rule: "view", text: `${text}, by view ${view}` });
        this.#addReceipt(id, card);
        return;
      }
      case "cardBack": {
        this.#ended.delete(happening.card);
        this.#unproven.delete(happening.card);
        const id = this.#openOf({ kind: "card", card: happening.card });
        if (id !== undefined) {
          this.#add(id, { kind: "aborted", at, text: `card ${happening.card} is back before anything proved that it was down` });
        }
        return;
      }
      case "cardEnded": {
        const { card, by, receipt } = happening;
        this.#ended.set(card, { kind: "receipt", at, receipt: receipt as "reset", by });
        const id = this.#openOf({ kind: "card", card });
        if (id !== undefined) this.#addReceipt(id, card);
        return;
      }
      case "failed": {
        const { service, card, decision, rule, text } = happening;
        if (decision === "restart") return;
        const id = this.#open({ kind: "service", service, card }, view, at);
        this.#ofService.set(service, id);
        this.#add(id, { kind: "evidence", at, by: card, source: "monitor", text });
        this.#add(id, { kind: "characterized", at, verdict: "service failure", rule, text });
        return;
      }
      case "fencing": {
        const { card, service, why } = happening;
        const id = this.#openOf({ kind: "card", card }) ?? this.#open({ kind: "card", card }, view, at);
        this.#ofService.set(service, id);
        this.#add(id, { kind: "evidence", at, by: card, source: "monitor", text: `${service} does not stop: ${why}` });
        this.#add(id, { kind: "characterized", at, verdict: "sick member", rule: "stop", text: "what does not stop is fenced" });
        return;
      }
      case "moved":
        return this.#onMoved(at, view, happening.move);
      case "granted": {
        const id = this.#ofService.get(happening.service);
        if (id !== undefined) this.#add(id, { ...happening, at });
        return;
      }
      case "running": {
        const id = this.#ofService.get(happening.service);
        if (id !== undefined) this.#add(id, { ...happening, at });
        return;
      }
      case "hooks":
        for (const { hook, resource, service, endedAt, ms, outcome, reason } of happening.hooks) {
          const id = this.#ofService.get(service);
          if (id === undefined) continue;
          this.#add(id, { kind: "hookStarted", at: endedAt - Math.round(ms), hook, resource, service, card: happening.card });
          this.#add(id, { kind: "hookEnded", at: endedAt, hook, resource, outcome, reason });
        }
        return;
      case "operated":
      case "configured":
        return;
    }
  }

  /** The power sense, or the card itself, is often heard before a view says that it is gone. */
  #addReceipt(id: number, card: CardId): void {
    const receipt = this.#ended.get(card);
    if (receipt !== undefined) this.#add(id, receipt);
    this.#ended.delete(card);
  }

  /** A move that nothing else has opened a record for was ordered, by an operator or by a rule. */
  #onMoved(at: number, view: number, move: Extract<Happening, { kind: "moved" }>["move"]): void {
    const { services, from, rule, reason } = move;
    const isOver = ({ phase }: FailoverRecord) => phase === "up" || phase === "served" || phase === "closed" || phase === "aborted";
    const ofOpen = (service: ServiceId) =>
      this.#records.find((record) => record.id === this.#ofService.get(service) && !isOver(record))?.id;
    const unknown = services.filter((service) => ofOpen(service) === undefined);
    if (unknown.length === 0 || from === undefined) return;
    const known = services.map(ofOpen).find((id) => id !== undefined);
    const id = known ?? this.#open({ kind: "order", rule, reason }, view, at);
    for (const service of unknown) this.#ofService.set(service, id);
    if (known === undefined) this.#add(id, { kind: "characterized", at, verdict: "ordered", rule, text: reason });
  }

  #open(subject: FailoverSubject, view: number, at: number): number {
    const id = ++this.#last;
    this.#records = [...this.#records.slice(1 - failoverRecordsMax), openRecord(id, subject, view, at)];
    this.#touched.set(id, at);
    this.#changed.add(id);
    return id;
  }

  /** The record of a card that is not closed. */
  #openOf(subject: Extract<FailoverSubject, { kind: "card" }>): number | undefined {
    return this.#records.findLast((record) =>
      record.subject.kind === "card" && record.subject.card === subject.card && this.#touched.has(record.id) && record.phase !== "aborted"
    )?.id;
  }

  #add(id: number, event: FailoverEvent): void {
    this.#records = this.#records.map((record) => record.id === id ? addEvent(record, event) : record);
    if (this.#touched.has(id)) this.#touched.set(id, Math.max(event.at, this.#touched.get(id) ?? 0));
    this.#changed.add(id);
  }
}
