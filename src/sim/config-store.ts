/**
 * A card's configuration store in the simulator: the same orders and results as the real one (`src/io/config-store.ts`), the same rules and
 * chain, its tables as maps, its disk with faults.
 *
 * An order takes its time, and what it does to the disk it does whole at the end of it. So a power cut finds an order that is under way
 * done or not done, never half done; that the real one is so too is what its own tests prove.
 */
import { unreachable } from "../base/assert.ts";
import { hex } from "../base/hex.ts";
import type { CardId } from "../base/ids.ts";
import { brokenLink, contentDigest, countedBytes, emptyHead, headOf, isSameHead, levelOf } from "../config/chain.ts";
import type { Change, ConfigRefusal, Head, Row, Scalar, Wish } from "../config/change.ts";
import { levelMax as softwareLevel } from "../config/migrations/migrations.ts";
import type { ConfigReader } from "../config/reader.ts";
import type { Branch, Planned, StoreFault, StoreOrder, StoreResult } from "../config/store.ts";
import { tableFindings, validate } from "../config/validate.ts";
import { branchesMax, chainBytesMax, chainChangesMax, snapshotsMax, snapshotsReceivedMax } from "../limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../wire/cbor.ts";

export type SimStoreOptions = {
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** The highest level that the card's software stores. */
  readonly levelMax?: number;
  /** What of a chain is kept. */
  readonly bounds?: { readonly changesMax: number; readonly bytesMax: number };
};

/** What is wrong with a disk, until it is set otherwise. */
export type DiskFault = "full" | "failing" | "readOnly";

type Order<Kind extends StoreOrder["kind"]> = Extract<StoreOrder, { readonly kind: Kind }>;
type Bare<Result> = Result extends StoreResult ? Omit<Result, "order"> : never;
type BareResult = Bare<StoreResult>;
/** What a change does to a row; a row that is not there is null. */
type RowEdit = { readonly table: string; readonly id: string; readonly before: Row | null; readonly after: Row | null };

const wholeDisk = { changesMax: chainChangesMax, bytesMax: chainBytesMax };
const empty: readonly Row[] = [];

class StoreError extends Error {
  readonly code: StoreFault["code"];

  constructor(code: StoreFault["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** A database's content. */
class Content implements ConfigReader {
  level = 0;
  first = 1;
  bytes = 0;
  readonly tables = new Map<string, Map<string, Row>>();
  /** The chain from `first` on. */
  readonly changes: Change[] = [];

  get head(): Head {
    const last = this.changes.at(-1);
    return last === undefined ? emptyHead : headOf(last);
  }

  at(sequence: number): Change | undefined {
    return this.changes[sequence - this.first];
  }

  row(table: string, id: string): Row | undefined {
    return this.tables.get(table)?.get(id);
  }

  rowsWith(table: string, column: string, value: Scalar): Row[] {
    return [...this.tables.get(table)?.values() ?? empty].filter((row) => (row[column] ?? null) === value);
  }

  count(table: string): number {
    return this.tables.get(table)?.size ?? 0;
  }

  rows(table: string): Row[] {
    return [...this.tables.get(table)?.values() ?? empty].sort((a, b) => a.id < b.id ? -1 : 1);
  }

  set(table: string, id: string, row: Row | null): void {
    let rows = this.tables.get(table);
    if (rows === undefined) this.tables.set(table, rows = new Map());
    if (row === null) rows.delete(id);
    else rows.set(id, row);
  }

  append(change: Change, { changesMax, bytesMax }: { readonly changesMax: number; readonly bytesMax: number }): void {
    this.changes.push(change);
    this.bytes += countedBytes(change);
    while (this.changes.length > 1 && (this.changes.length > changesMax || this.bytes > bytesMax)) {
      this.bytes -= countedBytes(this.changes.shift() as Change);
      this.first++;
    }
  }

  /** Everything, in one order and form. */
  encoded(): Uint8Array {
    const tables = [...this.tables.keys()].sort().filter((table) => this.count(table) > 0);
    return encodeCbor([
      this.level,
      tables.map((table) => [table, this.rows(table).map((row) => encodedRow(row))]),
      this.changes.map((change) => encodedChange(change)),
    ]);
  }

  static decoded(bytes: Uint8Array): Content | undefined {
    const value = decodeCbor(bytes) as [number, [string, Cbor[]][], Cbor[][]] | undefined;
    if (value === undefined) return undefined;
    const content = new Content();
    content.level = value[0];
    for (const [table, rows] of value[1]) for (const row of rows.map(decodedRow)) if (row !== null) content.set(table, row.id, row);
    for (const change of value[2].map(decodedChange)) {
      content.changes.push(change);
      content.bytes += countedBytes(change);
    }
    content.first = content.changes[0]?.sequence ?? 1;
    return content;
  }

  copy(): Content {
    const copy = new Content();
    Object.assign(copy, { level: this.level, first: this.first, bytes: this.bytes });
    for (const [table, rows] of this.tables) copy.tables.set(table, new Map(rows));
    copy.changes.push(...this.changes);
    return copy;
  }
}

/** What outlives a power cut. */
class Disk {
  content: Content | undefined;
  readonly received = new Map<string, Uint8Array>();
  readonly branches = new Map<string, { readonly branch: Branch; readonly content: Content }>();
  /** Rows that are not as they were written, as `table id`. */
  readonly damaged = new Set<string>();
}

export class SimConfigStore {
  readonly #options: SimStoreOptions;
  readonly #disk = new Disk();
  /** Copies that were made for other cards; a start drops them. */
  readonly #made = new Map<string, Uint8Array>();
  /** Pieces that came before those that they follow on. */
  readonly #ahead = new Map<string, Map<number, Uint8Array>>();
  readonly #queue: { readonly order: StoreOrder; doneAt: number }[] = [];
  #isOpen = false;
  #fault: StoreFault | undefined;
  #lastAt = 0;
  /** How long an order takes, and one that takes everything at once. */
  latencyMs = 1;
  diskFault: DiskFault | undefined;

  constructor(options: SimStoreOptions) {
    this.#options = options;
  }

  get levelMax(): number {
    return this.#options.levelMax ?? softwareLevel;
  }

  get head(): Head {
    return this.#disk.content?.head ?? emptyHead;
  }

  get branches(): Branch[] {
    return [...this.#disk.branches.values()].map(({ branch }) => branch).sort((a, b) =>
      a.setAsideAt - b.setAsideAt || (a.id < b.id ? -1 : 1)
    );
  }

  /** Takes an order at `now`; its result is `take`n when its time has come. */
  order(now: number, order: StoreOrder): void {
    this.#lastAt = Math.max(now, this.#lastAt) + this.latencyMs;
    this.#queue.push({ order, doneAt: this.#lastAt });
  }

  /** A row is not as it was written; and whether one ever was not. */
  get isDamaged(): boolean {
    return this.#disk.damaged.size > 0;
  }
  wasDamaged = false;

  /** When the order that was given last is done. */
  get doneAt(): number {
    return this.#lastAt;
  }

  /** The changes that the disk has, oldest first. */
  chain(): readonly Change[] {
    return this.#disk.content?.changes ?? [];
  }

  /** When the next result is there; `Infinity` while there is no order. */
  nextAt(): number {
    return this.#queue[0]?.doneAt ?? Infinity;
  }

  /** Carries out what is done by `now`, and gives the results. */
  take(now: number): StoreResult[] {
    const results: StoreResult[] = [];
    for (let first = this.#queue[0]; first !== undefined && first.doneAt <= now; first = this.#queue[0]) {
      this.#queue.shift();
      results.push({ order: first.order.order, ...this.carryOut(first.order) } as StoreResult);
    }
    return results;
  }

  /** The power goes; of the order that was under way the disk has all (`isDone`) or nothing. */
  cutPower(isDone: boolean): void {
    const [first] = this.#queue;
    if (isDone && first !== undefined) this.carryOut(first.order);
    this.#queue.length = 0;
    this.#lastAt = 0;
    this.#isOpen = false;
    this.#fault = undefined;
    this.#made.clear();
    this.#ahead.clear();
  }

  /** Changes one row as no change did: the row that `pick` takes of so many. False when there is none. */
  corruptRow(pick: (count: number) => number): boolean {
    const content = this.#disk.content;
    if (content === undefined) return false;
    const rows = [...content.tables].flatMap(([table, ofTable]) => [...ofTable.values()].map((row) => ({ table, row })));
    if (rows.length === 0) return false;
    const { table, row } = rows[pick(rows.length)] as { table: string; row: Row };
    const column = Object.keys(row).find((name) => name !== "id" && typeof row[name] === "string") ?? "note";
    content.set(table, row.id, { ...row, [column]: `${row[column] ?? ""}~` });
    this.#disk.damaged.add(`${table} ${row.id}`);
    this.wasDamaged = true;
    return true;
  }

  /** Everything in the database, in one order and form, and its digest: equal ones prove equal tables and chains. */
  dump(): string {
    return hex((this.#disk.content ?? new Content()).encoded());
  }

  dumpHash(): string {
    return hex(contentDigest((this.#disk.content ?? new Content()).encoded()));
  }

  /** Carries out an order at once. */
  carryOut(order: StoreOrder): BareResult {
    if (this.#fault !== undefined && order.kind !== "open" && order.kind !== "reset" && order.kind !== "check") {
      return { kind: "failed", fault: this.#fault };
    }
    try {
      return this.#carryOut(order);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#fault = { code: error.code, message: error.message };
      return { kind: "failed", fault: this.#fault };
    }
  }

  #carryOut(order: StoreOrder): BareResult {
    switch (order.kind) {
      case "open":
        return this.#open();
      case "plan":
        return this.#plan(order);
      case "commit":
        return this.#commit(order.changes);
      case "hashes":
        return this.#hashes(order.sequences);
      case "changes":
        return this.#changes(order);
      case "snapshot":
        return this.#makeSnapshot(order.name);
      case "readSnapshot": {
        const bytes = this.#made.get(order.name);
        if (bytes === undefined) return missingSnapshot(order.name);
        const data = bytes.slice(order.offset, order.offset + order.bytesMax);
        return { kind: "piece", name: order.name, offset: order.offset, data };
      }
      case "dropSnapshot":
        this.#made.delete(order.name);
        this.#forgetReceived(order.name);
        return { kind: "dropped" };
      case "writeSnapshot":
        return this.#writeSnapshot(order);
      case "resumeSnapshot":
        return { kind: "written", name: order.name, upTo: this.#disk.received.get(order.name)?.length ?? 0 };
      case "installSnapshot":
        return this.#installSnapshot(order);
      case "setAside":
        return this.#setAside(order.common);
      case "discardBranch":
        if (!this.#disk.branches.has(order.id)) return { kind: "missing", what: `the branch ${order.id}` };
        this.#write();
        this.#disk.branches.delete(order.id);
        return { kind: "discarded", branches: this.branches };
      case "check":
        return this.#check(order.scope);
      case "reset":
        this.#write();
        this.#disk.content = undefined;
        this.#disk.damaged.clear();
        return this.#open();
      default:
        return unreachable(order);
    }
  }

  /** What the disk says to a write. */
  #write(): void {
    if (this.diskFault === "full") throw new StoreError("disk-full", "the disk is full");
    if (this.diskFault === "readOnly") throw new StoreError("read-only", "the filesystem is read-only");
    this.#read();
  }

  #read(): void {
    if (this.diskFault === "failing") throw new StoreError("io", "the disk failed (input/output error)");
  }

  get #content(): Content {
    if (!this.#isOpen || this.#disk.content === undefined) throw new StoreError("io", "it is not open");
    return this.#disk.content;
  }

  #open(): BareResult {
    this.#isOpen = false;
    this.#fault = undefined;
    this.#made.clear();
    this.#write();
    const content = this.#disk.content ??= new Content();
    if (content.level > this.levelMax) {
      throw new StoreError("too-old", `its tables are of level ${content.level}, and this software stores up to ${this.levelMax}`);
    }
    const [damaged] = this.#disk.damaged;
    if (damaged !== undefined) throw new StoreError("corrupt", `the row ${damaged} is not as it was written`);
    this.#isOpen = true;
    return this.#opened();
  }

  #opened(): BareResult {
    const { head, level, first } = this.#content;
    return { kind: "opened", head, level, levelMax: this.levelMax, first, branches: this.branches };
  }

  #plan({ wishes, card, olderCards = [] }: Order<"plan">): BareResult {
    this.#read();
    const content = this.#content;
    const undo: RowEdit[] = [];
    const outcomes: Planned[] = [];
    for (const wish of wishes) outcomes.push(this.#planOne(content, wish, card as CardId, olderCards, outcomes, undo));
    for (const { table, id, before } of undo.reverse()) content.set(table, id, before);
    return { kind: "planned", outcomes };
  }

  #planOne(
    content: Content,
    wish: Wish,
    card: CardId,
    olderCards: readonly CardId[],
    before: readonly Planned[],
    undo: RowEdit[],
  ): Planned {
    const { author, comment, key } = wish;
    const known = key === "" ? undefined : content.changes.findLast((change) => change.author === author && change.key === key);
    if (known !== undefined) return { kind: "known", head: headOf(known) };
    const planned = before.flatMap((outcome) => outcome.kind === "planned" ? [outcome.proposal] : []);
    if (key !== "" && planned.some((proposal) => proposal.author === author && proposal.key === key)) {
      return refused("conflict", `the key ${JSON.stringify(key)} is that of another wish of ${author} that is under way`);
    }
    const effective = planned.filter(({ changeset }) => changeset.length > 0);
    if (wish.expected !== undefined && (effective.length > 0 || hex(wish.expected) !== hex(content.head.hash))) {
      return refused("conflict", "the configuration has changed since: its head is not the expected one");
    }
    const time = this.#options.wallClock();
    const sequence = content.head.sequence + effective.length + 1;
    const judged = validate(content, wish.operations, { level: content.level, olderCards, sequence, author, comment, card, time });
    if (!("kind" in judged)) return { kind: "refused", refusal: judged };
    const edits = judged.operations.map((operation): RowEdit => {
      const { table } = operation;
      const id = operation.kind === "put" ? operation.row.id : operation.id;
      return { table, id, before: content.row(table, id) ?? null, after: operation.kind === "put" ? operation.row : null };
    });
    for (const { table, id, after } of edits) content.set(table, id, after);
    undo.push(...edits);
    const changeset = edits.length === 0 ? new Uint8Array() : encodedEdits(edits);
    return { kind: "planned", proposal: { kind: "rows", author, comment, key, card, time, changeset } };
  }

  #commit(changes: readonly Change[]): BareResult {
    const content = this.#content;
    this.#write();
    const done = content.copy();
    for (const change of changes) this.#append(done, change);
    this.#disk.content = done;
    return { kind: "committed", head: done.head, level: done.level };
  }

  #append(content: Content, change: Change): void {
    const broken = brokenLink(content.head, change);
    if (broken !== undefined) throw new StoreError("divergent", broken);
    const { sequence, changeset } = change;
    if (change.kind === "migrate") {
      const level = levelOf(change);
      if (level <= content.level) {
        throw new StoreError("divergent", `change ${sequence} leads to level ${level}, and it is at ${content.level}`);
      }
      if (level > this.levelMax) throw new StoreError("too-old", `change ${sequence} leads to level ${level}`);
      content.level = level;
    } else {
      if (content.level === 0) throw new StoreError("divergent", `change ${sequence} wants tables, and there are none yet`);
      if (!apply(content, editsOf(changeset))) throw new StoreError("divergent", `change ${sequence} does not fit the tables`);
    }
    content.append(change, this.#options.bounds ?? wholeDisk);
  }

  #hashes(sequences: readonly number[]): BareResult {
    this.#read();
    const content = this.#content;
    const heads = sequences.flatMap((sequence) => {
      const change = content.at(sequence);
      return change === undefined ? [] : [headOf(change)];
    });
    return { kind: "hashes", heads, first: content.first };
  }

  #changes({ after, bytesMax }: Order<"changes">): BareResult {
    this.#read();
    const content = this.#content;
    const following = content.changes.slice(Math.max(0, after + 1 - content.first));
    let bytes = 0;
    const count = following.findIndex((change, index) => (bytes += countedBytes(change)) > bytesMax && index > 0);
    const changes = count < 0 ? following : following.slice(0, count);
    const left = following.slice(changes.length).reduce((sum, change) => sum + countedBytes(change), 0);
    return { kind: "changes", changes, bytesLeft: left };
  }

  #makeSnapshot(name: string): BareResult {
    if (!isName(name)) return missingSnapshot(name);
    this.#read();
    const content = this.#content;
    const [damaged] = this.#disk.damaged;
    if (damaged !== undefined) throw new StoreError("corrupt", `the row ${damaged} is not as it was written`);
    if (this.diskFault !== undefined) return { kind: "missing", what: `the snapshot ${name}: the disk is full` };
    const bytes = content.encoded();
    limit(this.#made, snapshotsMax - 1);
    this.#made.set(name, bytes);
    return { kind: "snapshot", name, head: content.head, level: content.level, bytes: bytes.length, sha256: contentDigest(bytes) };
  }

  #writeSnapshot({ name, offset, data }: Order<"writeSnapshot">): BareResult {
    if (!isName(name)) return missingSnapshot(name);
    this.#write();
    let bytes = this.#disk.received.get(name) ?? new Uint8Array();
    const ahead = this.#ahead.get(name) ?? new Map<number, Uint8Array>();
    if (offset > bytes.length) {
      this.#ahead.set(name, ahead.set(offset, data.slice()));
      return { kind: "written", name, upTo: bytes.length };
    }
    if (bytes.length === 0) limit(this.#disk.received, snapshotsReceivedMax - 1);
    for (let piece: [number, Uint8Array] | undefined = [offset, data]; piece !== undefined;) {
      const [at, fresh] = piece;
      const joined = new Uint8Array(Math.max(bytes.length, at + fresh.length));
      joined.set(bytes);
      joined.set(fresh, at);
      bytes = joined;
      ahead.delete(at);
      const { length } = bytes;
      piece = [...ahead].find(([next]) => next <= length);
    }
    this.#disk.received.set(name, bytes);
    return { kind: "written", name, upTo: bytes.length };
  }

  #installSnapshot({ name, sha256: digest }: Order<"installSnapshot">): BareResult {
    const bytes = this.#disk.received.get(name);
    if (bytes === undefined) return missingSnapshot(name);
    this.#write();
    const content = hex(contentDigest(bytes)) === hex(digest) ? Content.decoded(bytes) : undefined;
    this.#forgetReceived(name);
    if (content === undefined) {
      return { kind: "missing", what: `the snapshot ${name}: it does not have the digest that it was announced with` };
    }
    if (content.level > this.levelMax) return { kind: "missing", what: `the snapshot ${name}: its tables are of level ${content.level}` };
    this.#disk.content = content;
    this.#disk.damaged.clear();
    return this.#open();
  }

  #forgetReceived(name: string): void {
    this.#disk.received.delete(name);
    this.#ahead.delete(name);
  }

  #setAside(common: Head): BareResult {
    const content = this.#content;
    const { head } = content;
    if (isSameHead(common, head)) return this.#opened();
    const mark = content.at(common.sequence);
    if (common.sequence > 0 && (mark === undefined || !isSameHead(mark, common))) {
      return { kind: "missing", what: `the change ${common.sequence}, as the last one that is shared` };
    }
    this.#write();
    const id = hex(head.hash).slice(0, 8);
    if (this.#disk.branches.size >= branchesMax && !this.#disk.branches.has(id)) {
      throw new StoreError("io", `${this.#disk.branches.size} branches are kept already; merge or discard one`);
    }
    this.#disk.branches.set(id, { branch: { id, head, common, setAsideAt: this.#options.wallClock() }, content: content.copy() });
    if (!takeBack(content, common)) this.#disk.content = undefined;
    return this.#open();
  }

  #check(scope: "pages" | undefined): BareResult {
    const content = this.#disk.content;
    if (content === undefined || !this.#isOpen) return { kind: "checked", findings: [this.#fault?.message ?? "it is not open"] };
    if (this.diskFault === "failing") return { kind: "checked", findings: ["the disk failed (input/output error)"] };
    const findings = [...this.#disk.damaged].map((row) => `the row ${row} is not as it was written`);
    if (scope === "pages") return { kind: "checked", findings };
    let before: Head | undefined;
    for (const change of content.changes) {
      const broken = brokenLink(before ?? { sequence: change.sequence - 1, epoch: 0, hash: change.previous }, change);
      if (broken !== undefined) findings.push(broken);
      before = change;
    }
    return { kind: "checked", findings: [...findings, ...tableFindings(content, content.level)] };
  }
}

/** Takes back what came after `common`; false when that is not all kept. */
function takeBack(content: Content, common: Head): boolean {
  if (content.first > 1 || common.sequence === 0) return false;
  const after = content.changes.slice(common.sequence);
  if (after.some(({ kind }) => kind === "migrate")) return false;
  for (const change of after.reverse()) {
    const inverted = editsOf(change.changeset).reverse().map((edit) => ({ ...edit, before: edit.after, after: edit.before }));
    if (!apply(content, inverted)) return false;
    content.changes.pop();
    content.bytes -= countedBytes(change);
  }
  return true;
}

/** Carries edits out; false when a row is not as it was before them. */
function apply(content: Content, edits: readonly RowEdit[]): boolean {
  for (const { table, id, before, after } of edits) {
    if (!isSame(content.row(table, id) ?? null, before)) return false;
    content.set(table, id, after);
  }
  return true;
}

function isSame(one: Row | null, other: Row | null): boolean {
  if (one === null || other === null) return one === other;
  return Object.keys({ ...one, ...other }).every((column) => (one[column] ?? null) === (other[column] ?? null));
}

function isName(name: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(name);
}

function missingSnapshot(name: string): BareResult {
  return { kind: "missing", what: `the snapshot ${name}` };
}

function refused(code: ConfigRefusal["code"], message: string): Planned {
  return { kind: "refused", refusal: { code, message } };
}

/** Forgets the oldest of more than `countMax`. */
function limit(map: Map<string, unknown>, countMax: number): void {
  for (const key of [...map.keys()].slice(0, Math.max(0, map.size - countMax))) map.delete(key);
}

function encodedRow(row: Row | null): Cbor {
  return row === null ? null : Object.keys(row).sort().map((column) => [column, row[column] ?? null]);
}

function decodedRow(value: Cbor): Row | null {
  return value === null ? null : Object.fromEntries(value as [string, Scalar][]) as Row;
}

function encodedEdits(edits: readonly RowEdit[]): Uint8Array {
  return encodeCbor(edits.map(({ table, id, before, after }) => [table, id, encodedRow(before), encodedRow(after)]));
}

function editsOf(changeset: Uint8Array): RowEdit[] {
  if (changeset.length === 0) return [];
  const edits = decodeCbor(changeset) as [string, string, Cbor, Cbor][] | undefined;
  if (edits === undefined) throw new StoreError("divergent", "a change carries no changeset");
  return edits.map(([table, id, before, after]) => ({ table, id, before: decodedRow(before), after: decodedRow(after) }));
}

function encodedChange(change: Change): Cbor[] {
  const { sequence, epoch, hash, previous, kind, author, comment, key, card, time, changeset } = change;
  return [sequence, epoch, hash, previous, kind, author, comment, key, card, time, changeset];
}

function decodedChange(value: Cbor[]): Change {
  const [sequence, epoch, hash, previous, kind, author, comment, key, card, time, changeset] = value;
  return { sequence, epoch, hash, previous, kind, author, comment, key, card, time, changeset } as Change;
}
