/**
 * When the store is proven, and what follows when something is wrong with it: hold, and on an operator's word a repair, which gives up the
 * database (kept aside as damaged) and takes all of it from another card. Pure.
 *
 *     asked, or due ─ check ─► nothing found ─► answered
 *                       └────► found ─► hold, answered
 *                                └─ repair ─► leaving ─► left ─► reset ─► catching up as an empty card ─► current ─► answered
 *
 * The others count on what a member has said to be durable, so nothing is given up before the order has it that this card is none.
 */
import type { CardId } from "../base/ids.ts";
import { configCheckMs, configProveMs, configRepairMs } from "../limits.ts";
import type { ConfigAnswer } from "./request.ts";
import type { StoreFault, StoreOrderBody, StoreResult } from "./store.ts";

export type UpkeepPorts = {
  readonly order: (body: StoreOrderBody, take: (now: number, result: StoreResult) => void) => void;
  readonly hold: (now: number, fault: StoreFault) => void;
  readonly answer: (client: number, answer: ConfigAnswer) => void;
  /** The database is empty and open. */
  readonly onReset: (now: number, opened: Extract<StoreResult, { kind: "opened" }>) => void;
  /** Why nothing can be taken from another card, `undefined` when it can. */
  readonly whyNoRepair: () => string | undefined;
  /** Nothing is wrong (any more): the store that was in hold is tried again. */
  readonly reopen: () => void;
  /** This card wants to be no replica; false when the order does not have that yet: `onLeft` follows. */
  readonly leave: (now: number) => boolean;
};

type Check = { readonly client: number; readonly repair: boolean };

export class Upkeep {
  readonly #ports: UpkeepPorts;
  readonly #card: CardId;
  #checkAt = Infinity;
  #proveAt = Infinity;
  /** Asked for, and not answered by the store. */
  #checks: Check[] = [];
  #fault: StoreFault | undefined;
  /** A repair waits for the others to know that this card is no replica. */
  isLeaving = false;
  #repair: { readonly clients: readonly number[]; readonly findings: readonly string[]; readonly dueAt: number } | undefined;

  constructor(ports: UpkeepPorts, card: CardId) {
    this.#ports = ports;
    this.#card = card;
  }

  deadline(): number {
    return Math.min(this.#checkAt, this.#proveAt, this.#repair?.dueAt ?? Infinity);
  }

  /** The cards of a chassis do not all read their disks at the same time. */
  onOpened(now: number): void {
    this.#fault = undefined;
    const share = (this.#card % 8) / 8;
    this.#checkAt = now + configCheckMs * (1 + share);
    this.#proveAt = now + configProveMs * (1 + share);
  }

  onHold(now: number, fault: StoreFault): void {
    this.#fault = fault;
    this.#checkAt = this.#proveAt = Infinity;
    const checks = this.#checks;
    this.#checks = [];
    const isDamaged = fault.code === "corrupt" || fault.code === "divergent";
    for (const { client, repair } of checks) if (!repair || !isDamaged) this.#refuse(client, fault.message);
    const clients = checks.filter(({ repair }) => repair && isDamaged).map(({ client }) => client);
    for (const client of this.#repair?.clients ?? []) this.#refuse(client, `the repair failed: ${fault.message}`);
    this.#repair = undefined;
    if (clients.length > 0) this.#beginRepair(now, clients, [fault.message]);
  }

  onTick(now: number): void {
    if (now >= this.#proveAt) {
      this.#proveAt = now + configProveMs;
      this.#checkAt = now + configCheckMs;
      this.#ports.order({ kind: "check" }, (at, result) => this.#onProven(at, result));
    } else if (now >= this.#checkAt) {
      this.#checkAt = Infinity;
      this.#ports.order({ kind: "check", scope: "pages" }, (at, result) => {
        this.#checkAt = at + configCheckMs;
        this.#onProven(at, result);
      });
    }
    if (this.#repair !== undefined && now >= this.#repair.dueAt) {
      for (const client of this.#repair.clients) this.#refuse(client, `not current within ${configRepairMs} ms; the repair goes on`);
      this.#repair = undefined;
    }
  }

  #onProven(now: number, result: StoreResult): void {
    if (result.kind === "checked" && result.findings.length > 0) this.#ports.hold(now, faultOf(result.findings));
  }

  /** Somebody's database does not take what another one's planned: everybody proves his own. */
  prove(): void {
    this.#ports.order({ kind: "check" }, (at, result) => this.#onProven(at, result));
  }

  onCheck(client: number, repair: boolean): void {
    if (this.#repair !== undefined) return this.#refuse(client, "a repair is under way");
    const check: Check = { client, repair };
    this.#checks.push(check);
    const fault = this.#fault;
    this.#ports.order({ kind: "check" }, (at, result) => {
      this.#checks = this.#checks.filter((other) => other !== check);
      if (result.kind !== "checked") return this.#refuse(client, "the store did not answer");
      // What is whole in itself may still not be what the others have.
      const isParted = fault?.code === "divergent" || fault?.code === "corrupt";
      // What the disk refuses is no damage: nothing is to be taken from others for it, it is tried again.
      const found = isParted ? result.findings : result.findings.filter((finding) => finding !== fault?.message);
      const findings = found.length === 0 && isParted ? [fault.message] : found;
      if (findings.length > 0 && repair) return this.#beginRepair(at, [client], findings);
      this.#ports.answer(client, { kind: "checked", findings, repaired: false });
      if (findings.length > 0) this.#ports.hold(at, faultOf(findings));
      else if (fault !== undefined) this.#ports.reopen();
    });
  }

  #beginRepair(now: number, clients: readonly number[], findings: readonly string[]): void {
    if (this.#repair !== undefined) {
      // Another check has begun it: who asked for this one waits for the same repair.
      this.#repair = { ...this.#repair, clients: [...this.#repair.clients, ...clients] };
      return;
    }
    const why = this.#ports.whyNoRepair();
    if (why !== undefined) {
      for (const client of clients) {
        this.#refuse(client, `found ${findings.length} (${findings[0]}), and nothing to repair it from: ${why}`);
      }
      return this.#ports.hold(now, faultOf(findings));
    }
    this.#repair = { clients, findings, dueAt: now + configRepairMs };
    this.isLeaving = true;
    if (this.#ports.leave(now)) this.onLeft();
  }

  /** No other card counts on what this one has. */
  onLeft(): void {
    if (!this.isLeaving) return;
    this.isLeaving = false;
    this.#ports.order({ kind: "reset" }, (at, result) => {
      if (result.kind === "opened") this.#ports.onReset(at, result);
    });
  }

  /** This card has all that the others have. */
  onCurrent(): void {
    const repair = this.#repair;
    this.#repair = undefined;
    for (const client of repair?.clients ?? []) {
      this.#ports.answer(client, { kind: "checked", findings: repair?.findings ?? [], repaired: true });
    }
  }

  #refuse(client: number, message: string): void {
    this.#ports.answer(client, { kind: "refused", refusal: { code: "hold", message }, servedBy: this.#card });
  }
}

function faultOf(findings: readonly string[]): StoreFault {
  const more = findings.length === 1 ? "" : ` (and ${findings.length - 1} more)`;
  return { code: "corrupt", message: `${findings[0]}${more}` };
}
