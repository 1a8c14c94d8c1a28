/**
 * The storage service of a card: agrees with the others on which copies of each device are right, and has this card's engine serve, mirror and synchronize them (PB-1 to PB-12, HA-12).
 * `STORAGE.md` tells the whole.
 *
 *                member of the group        given all that is agreed, or it begins anew
 *     outside ───────────────────► joining ─────────────────────────────────► known
 *                                     ▲                                         │
 *                                     └────────────── something was missed ─────┘
 *
 * It follows levels, as the failover service does: after each input it compares what is agreed on with what this card has open, has noted and has said, and makes up the
 * difference. While it does not know what is agreed on, the engine goes on as it is: acknowledgments that are frozen stay so.
 *
 * Invariants: what is said of this card's legs is said by it alone; nothing is opened, and nothing acknowledged without a leg, but by what is agreed on.
 */
import { unreachable } from "../base/assert.ts";
import { type CardId, cardName } from "../base/ids.ts";
import type { ApplicationEvent, GroupView } from "../cluster/application.ts";
import type { NodeView } from "../cluster/view.ts";
import { storagePieceBytesMax, storageResayMs } from "../limits.ts";
import type { Service } from "../service.ts";
import type { BlockAnswer, DeviceId } from "./blocks.ts";
import { CardDevice, type CardSide, type Saying } from "./card-device.ts";
import { type DeviceAgreed, isKept } from "./device-state.ts";
import { Generations } from "./generation.ts";
import { Joining } from "./joining.ts";
import type { DeviceMemory } from "./leg-state.ts";
import { Sayings } from "./sayings.ts";
import { StorageAlarms } from "./storage-alarms.ts";
import { announcementText, decodeStorageEntry, encodeStorageEntry } from "./storage-entry.ts";
import { Operating } from "./operating.ts";
import { StorageState } from "./storage-state.ts";
import {
  type DefinitionPlace,
  type DeviceDefinition,
  storageGroup,
  type StorageIdentity,
  type StorageInput,
  type StorageOrder,
  type StorageOutput,
} from "./storage-types.ts";
import { packText } from "../failover/service-text.ts";

export class StorageService implements Service<StorageInput, StorageOutput> {
  readonly #identity: StorageIdentity;
  #outputs: StorageOutput[] = [];

  // The group.
  #lastRequest = 0;
  #isMember = false;
  #isJoinAsked = false;
  #isStopped = false;
  #rejoinAt = Infinity;
  #group: GroupView = { number: 0, members: [] };
  #view: NodeView | undefined;

  // What all agree on, and the way there.
  #state: StorageState | undefined;
  #sequence = 0;
  readonly #joining = new Joining();
  readonly #said = new Sayings();
  /** What this card has kept: of earlier runs, and in this one. */
  #notes: Map<DeviceId, DeviceMemory> | undefined;

  // This card.
  readonly #generations: Generations;
  readonly #side: CardSide;
  readonly #devices = new Map<DeviceId, CardDevice>();
  #configuration: { readonly place: DefinitionPlace; readonly devices: ReadonlyMap<DeviceId, DeviceDefinition> } | undefined;
  #lastOrder = 0;
  readonly #answers = new Map<number, (now: number, answer: BlockAnswer) => void>();
  readonly #operating = new Operating();
  readonly #alarms = new StorageAlarms();

  constructor(identity: StorageIdentity) {
    this.#identity = identity;
    this.#generations = new Generations(identity.seed);
    this.#notes = identity.notes === undefined ? undefined : new Map(identity.notes);
    this.#side = {
      own: { card: identity.card, incarnation: identity.incarnation },
      generations: this.#generations,
      say: (key, saying) => this.#say(key, saying),
      isUnderWay: (prefix) => this.#said.isUnderWay(prefix),
      put: (output) => this.#outputs.push(output),
      order: (device, leg, order, onAnswer) => {
        const number = ++this.#lastOrder;
        this.#answers.set(number, onAnswer);
        this.#outputs.push({ kind: "block", order: { order: number, device, leg, ...order } });
      },
    };
  }

  get #card(): CardId {
    return this.#identity.card;
  }

  deadline(): number {
    const instants = [this.#rejoinAt, ...this.#joining.instants(), ...this.#said.instants(this.#rank), ...this.#operating.instants()];
    for (const device of this.#devices.values()) instants.push(...device.instants());
    // What was due and could not be done waits for the input that makes it possible.
    return Math.min(...instants.filter((at) => at > this.#now), Infinity);
  }

  #now = 0;

  step(now: number, input: StorageInput): StorageOutput[] {
    this.#now = now;
    switch (input.kind) {
      case "epoch":
        this.#onEpoch(now, input.view);
        break;
      case "group":
        this.#onGroup(now, input.event);
        break;
      case "configuration":
        this.#configuration = { place: input.place, devices: input.devices };
        break;
      case "serve":
        this.#deviceOf(input.device).onServe(input.term);
        break;
      case "cease":
        this.#deviceOf(input.device).onCease();
        break;
      case "answered":
        this.#onAnswer(now, input.answer);
        break;
      case "reported":
        this.#devices.get(input.report.device)?.onReport(now, input.report);
        break;
      case "kept":
        this.#devices.get(input.device)?.onKept(input.revision, input.failed);
        break;
      case "data":
        this.#deviceOf(input.device).onData(input.leg, textOfBytes(input.bytes));
        break;
      case "operate":
        this.#onOperate(now, input.client, input.order);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    this.#advance(now);
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** All that is agreed on as text, and the entry after which it is so; undefined while this card does not know it. */
  agreed(): { readonly sequence: number; readonly text: string } | undefined {
    return this.#state === undefined ? undefined : { sequence: this.#sequence, text: this.#state.text() };
  }

  /** The entry that came last; undefined while this card does not know what is agreed on. */
  get sequence(): number | undefined {
    return this.#state === undefined ? undefined : this.#sequence;
  }

  /** What is agreed on of each device now; to be read at once. */
  get devices(): ReadonlyMap<DeviceId, DeviceAgreed> | undefined {
    return this.#state?.devices;
  }

  /** Whether what must be kept of a device is. */
  isKept(device: DeviceId): boolean {
    const agreed = this.#state?.devices.get(device);
    const view = this.#state?.view;
    return agreed !== undefined && view !== undefined && isKept(agreed, view, this.#card);
  }

  /** Why this card takes part in no decisions; undefined when it does. */
  get reason(): string | undefined {
    if (!this.#isMember) return "it is not yet in the group";
    if (this.#isStopped) return "ordered messages stand still";
    return this.#state === undefined ? "it does not know yet what all agree on" : undefined;
  }

  // ---- the order

  #onEpoch(now: number, view: NodeView): void {
    this.#view = view;
    if (!this.#isMember && !this.#isJoinAsked) this.#join();
    this.#joining.onView(now, view);
    this.#state?.onView(view);
  }

  #join(): void {
    this.#isJoinAsked = true;
    this.#rejoinAt = Infinity;
    const request = ++this.#lastRequest;
    const name = `card ${cardName(this.#card)}`;
    this.#outputs.push({ kind: "request", request: { kind: "join", request, group: storageGroup, name, critical: false, monitorMs: 0 } });
  }

  #onGroup(now: number, event: ApplicationEvent): void {
    switch (event.kind) {
      case "joined":
        this.#isJoinAsked = false;
        this.#isMember = true;
        this.#isStopped = false;
        this.#group = event.view;
        return this.#forget(now);
      case "view":
        this.#group = event.view;
        return this.#joining.onMembersChanged(now, event.changes.map(({ member }) => member.card));
      case "message":
        return this.#onEntry(now, event.sequence, event.from.card, event.from.number > 0, event.data);
      case "lost":
        return this.#forget(now);
      case "stopped":
        this.#isStopped = true;
        return;
      case "resumed":
        this.#isStopped = false;
        return this.#joining.soon(now);
      case "refused":
        this.#said.onEnded(now, event.request);
        if (this.#isMember) return;
        this.#isJoinAsked = false;
        this.#rejoinAt = now + storageResayMs;
        return;
      case "left":
        this.#isMember = false;
        return this.#join();
      case "sent":
        this.#said.onEnded(now, event.request);
        this.#outputs.push(...this.#operating.onSent(event.request));
        return;
      case "watching":
      case "monitor":
        return;
      default:
        return unreachable(event);
    }
  }

  #forget(now: number): void {
    this.#state = undefined;
    this.#joining.begin(now);
  }

  #onEntry(now: number, sequence: number, card: CardId, isMember: boolean, data: Uint8Array): void {
    const entry = decodeStorageEntry(data);
    if (entry === undefined || !isMember) return this.#log("warn", "storage entry ignored", { peer: card, sequence });
    this.#sequence = sequence;
    let state = this.#state;
    const groupView = this.#group.number;
    if (state !== undefined && entry.kind === "state" && entry.begins === groupView && entry.of !== state.beginning) {
      // All others began anew while this card was away.
      this.#forget(now);
      state = undefined;
    }
    if (state === undefined) {
      const given = this.#joining.onEntry(sequence, card, groupView, entry, card === this.#card);
      if (given === undefined) return;
      this.#state = given;
      this.#joining.end();
      this.#log("info", "storage known", { devices: given.devices.size });
      return;
    }
    const before = entry.kind === "in" ? state.devices.get(entry.device)?.memory : undefined;
    state.apply(sequence, card, entry);
    if (entry.kind !== "in") return;
    const after = state.devices.get(entry.device)?.memory;
    if (before?.inSync.includes(entry.leg) === false && after?.inSync.includes(entry.leg) === true) {
      this.#devices.get(entry.device)?.onIn(entry.leg);
    }
  }

  // ---- this card

  #deviceOf(name: DeviceId): CardDevice {
    const device = this.#devices.get(name) ?? new CardDevice(name, this.#side);
    this.#devices.set(name, device);
    return device;
  }

  #onAnswer(now: number, answer: BlockAnswer): void {
    const onAnswer = this.#answers.get(answer.order);
    this.#answers.delete(answer.order);
    onAnswer?.(now, answer);
  }

  #onOperate(now: number, client: number, order: StorageOrder): void {
    const refusal = this.#operating.refusal(this.reason, this.#state, order);
    if (refusal !== undefined) {
      this.#outputs.push({ kind: "operated", client, answer: refusal });
      return;
    }
    const id = this.#operating.next();
    const term = this.#state?.devices.get(order.device)?.memory?.term ?? 0;
    this.#operating.begin(now, client, this.#send({ kind: "operate", id, order, generation: this.#generations.next(term) }));
  }

  // ---- making up the difference

  #advance(now: number): void {
    this.#said.expire(now);
    if (now >= this.#rejoinAt && !this.#isMember && !this.#isJoinAsked) this.#join();
    this.#outputs.push(...this.#operating.overdue(now));
    const state = this.#state;
    if (state === undefined) return this.#advanceJoining(now);
    for (const [name, agreed] of state.devices) {
      this.#note(name, agreed.memory);
      this.#deviceOf(name).advance(now, state, agreed);
    }
    for (const [name, device] of this.#devices) {
      if (state.devices.has(name)) continue;
      device.abandon();
      if (device.isIdle) this.#devices.delete(name);
    }
    if (this.#notes === undefined) this.#notes = new Map();
    if (this.reason === undefined) this.#sayForAll(now, state);
    for (const alarm of this.#alarms.changes(this.#card, state, this.#devices)) this.#outputs.push(alarm);
  }

  /** For the next announcement: at least this is known here. */
  #note(name: DeviceId, memory: DeviceMemory | undefined): void {
    if (memory !== undefined) (this.#notes ??= new Map()).set(name, memory);
  }

  #advanceJoining(now: number): void {
    if (!this.#isMember || this.#isStopped || this.#view === undefined) return;
    if (this.#joining.isToAnnounce(now)) this.#announce();
    const members = [...new Set(this.#group.members.map(({ card }) => card))].sort((a, b) => a - b);
    const announced = members[0] === this.#card ? this.#joining.allAnnounced(now, members, this.#view.ether) : undefined;
    const key = `begin:${this.#group.number}`;
    if (announced === undefined || this.#said.has(key)) return;
    const beginning = Number.parseInt(this.#generations.next(0).slice(-12), 16);
    const state = StorageState.begin(beginning, this.#view, announced);
    state.knownBy(members);
    this.#give(key, state, this.#group.number);
    this.#log("info", "storage begins", { cards: members.length });
  }

  #announce(): void {
    const holds = new Map([...this.#devices].map(([name, device]) => [name, device.holds] as const).filter(([, legs]) => legs.length > 0));
    const pieces = piecesOfText(announcementText({ notes: this.#notes, holds }));
    for (const [index, data] of pieces.entries()) this.#send({ kind: "announce", index, count: pieces.length, data });
  }

  #give(key: string, state: StorageState, begins: number): void {
    const pieces = piecesOfText(state.text());
    let request = 0;
    for (const [index, data] of pieces.entries()) {
      request = this.#send({ kind: "state", asOf: this.#sequence, begins, index, count: pieces.length, data }, state.beginning);
    }
    this.#said.add(key, request);
  }

  /** What any card could say: the lowest that knows says it, and each further one when those below it do not. */
  #sayForAll(now: number, state: StorageState): void {
    const isOurTurn = (key: string) => this.#said.isOurTurn(now, key, this.#rank);
    this.#said.beginTurn();
    if (state.isGivingDue && isOurTurn("give") && !this.#said.has("give")) this.#give("give", state, 0);
    const { place, devices } = this.#configuration ?? { place: { epoch: 0, sequence: 0 }, devices: new Map<DeviceId, DeviceDefinition>() };
    for (const name of new Set(this.#configuration === undefined ? [] : [...devices.keys(), ...state.devices.keys()])) {
      const definition = devices.get(name);
      const known = state.devices.get(name);
      if (known !== undefined && !isLater(place, known.place)) continue;
      if (definition !== undefined && known !== undefined && packText(definition) === packText(known.definition)) continue;
      const key = `define:${name}:${place.epoch}:${place.sequence}`;
      if (isOurTurn(key)) this.#say(key, { kind: "define", place, device: name, definition });
    }
    this.#said.endTurn();
  }

  /** Our place among those that could speak for all. */
  get #rank(): number {
    const at = this.#state?.speakers().indexOf(this.#card) ?? -1;
    return at === -1 ? Infinity : at;
  }

  // ---- saying

  #send(saying: Saying, of: number = this.#state?.beginning ?? 0): number {
    const request = ++this.#lastRequest;
    const data = encodeStorageEntry({ ...saying, of });
    this.#outputs.push({ kind: "request", request: { kind: "send", request, group: storageGroup, data } });
    return request;
  }

  #say(key: string, saying: Saying): void {
    if (this.reason === undefined && !this.#said.has(key)) this.#said.add(key, this.#send(saying));
  }

  #log(level: "info" | "warn", event: string, fields: Extract<StorageOutput, { kind: "log" }>["fields"]): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}

function isLater(a: DefinitionPlace, b: DefinitionPlace): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}

/** In pieces of so many characters: names and numbers are of one byte each. */
function piecesOfText(text: string): string[] {
  const count = Math.max(1, Math.ceil(text.length / storagePieceBytesMax));
  return Array.from({ length: count }, (_, index) => text.slice(index * storagePieceBytesMax, (index + 1) * storagePieceBytesMax));
}

function textOfBytes(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
