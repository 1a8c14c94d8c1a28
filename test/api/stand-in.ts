/** A configuration in memory for the tests of HTTP: a chain of changes without a store, on one card. */
import { configurationResources } from "../../src/api/configuration.ts";
import type { ConfigurationSource } from "../../src/api/configuration-source.ts";
import type { FailoverSource } from "../../src/api/failover-source.ts";
import type { Finding, HistoryEntry, Plan, SetFinding } from "../../src/config/read-answer.ts";
import { tokenText } from "../../src/config/token-text.ts";
import { Authority, digestOf } from "../../src/api/authority.ts";
import { createApp } from "../../src/api/app.ts";
import { exampleStatus } from "../../src/api/example.ts";
import { hex } from "../../src/base/hex.ts";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { ConfigRefusal, Head, Operation, Row, Wish } from "../../src/config/change.ts";
import type { RowStep } from "../../src/config/row-difference.ts";
import type { TableName } from "../../src/config/rules.ts";
import type { ConfigRequest, ConfigurationStatus } from "../../src/config/request.ts";

export const adminToken = "cardinal.admin.the-token-of-the-card-itself";

export class StandIn implements ConfigurationSource {
  readonly card: CardId = cardAt(1, 2);
  tokenFile = "/var/lib/cardinal/state/admin-token";
  readonly tables = new Map<string, Map<string, Row>>();
  readonly asked: ConfigRequest[] = [];
  readonly changes: HistoryEntry[] = [];
  state: ConfigurationStatus["state"] = "current";
  ageMs = 0;
  unread: ConfigRefusal | undefined;
  refusal: ConfigRefusal | undefined;
  findings: readonly Finding[] = [];
  branches: ConfigurationStatus["branches"] = [];
  served = 0;
  damage: readonly string[] = [];
  setFindings: readonly SetFinding[] = [];
  beforeAnswer: () => Promise<void> = () => Promise.resolve();
  /** So many changes come too late. */
  conflicts = 0;
  servedBy: CardId = cardAt(1, 1);
  head: Head = { sequence: 0, epoch: 0, hash: new Uint8Array(32) };

  status(): ConfigurationStatus {
    return {
      state: this.state,
      head: { ...this.head, hash: hex(this.head.hash) },
      level: 1,
      levelMax: 1,
      replicas: [cardAt(1, 1), this.card],
      ageMs: this.ageMs,
      branches: this.branches,
      pending: 0,
      load: { served: this.served, servedForOthers: 0, forwarded: 0 },
      counters: {},
    };
  }

  countServed(): void {
    this.served++;
  }

  put(table: string, row: Row): void {
    if (!this.tables.has(table)) this.tables.set(table, new Map());
    this.tables.get(table)?.set(row.id, row);
  }

  async ask(request: ConfigRequest): ReturnType<ConfigurationSource["ask"]> {
    this.asked.push(request);
    await this.beforeAnswer();
    if (this.refusal !== undefined) return { kind: "refused", refusal: this.refusal, servedBy: this.servedBy };
    switch (request.kind) {
      case "change":
        return this.#change(request.wish);
      case "check":
        return { kind: "checked", findings: this.damage, repaired: request.repair };
      case "discardBranch":
        this.branches = this.branches.filter(({ id }) => id !== request.id);
        return { kind: "discarded" };
    }
  }

  #change(wish: Wish): Awaited<ReturnType<ConfigurationSource["ask"]>> {
    if (this.conflicts > 0) {
      this.conflicts--;
      return { kind: "refused", refusal: { code: "conflict", message: "another change came first" }, servedBy: this.servedBy };
    }
    if (wish.expected !== undefined && hex(wish.expected) !== hex(this.head.hash)) {
      const refusal = { code: "conflict", message: `the head is ${hex(this.head.hash).slice(0, 8)}, not the expected one` } as const;
      return { kind: "refused", refusal, servedBy: this.servedBy };
    }
    for (const operation of wish.operations) {
      if (operation.kind === "put") this.put(operation.table, operation.row);
      else this.tables.get(operation.table)?.delete(operation.id);
    }
    const sequence = this.head.sequence + 1;
    this.head = { sequence, epoch: 1, hash: digestOf(`change ${sequence}`) };
    const { author, comment } = wish;
    this.changes.unshift({
      sequence,
      epoch: 1,
      hash: hex(this.head.hash),
      kind: "rows",
      author,
      comment,
      card: this.card,
      time: 1_000 * sequence,
      bytes: 10,
    });
    return { kind: "changed", head: this.head, servedBy: this.servedBy, repeated: false };
  }

  async rows(
    table: string,
    { after, limit }: { readonly after?: string; readonly limit: number },
  ): ReturnType<ConfigurationSource["rows"]> {
    if (this.unread !== undefined) return { unread: this.unread };
    const all = [...this.tables.get(table)?.values() ?? []].sort((a, b) => (a.id < b.id ? -1 : 1)).filter(({ id }) =>
      after === undefined || id > after
    );
    const rows = all.slice(0, limit);
    const last = rows.at(-1);
    return await Promise.resolve({ head: this.head, rows, ...(all.length > limit && last !== undefined ? { next: last.id } : {}) });
  }

  async row(table: string, id: string): ReturnType<ConfigurationSource["row"]> {
    if (this.unread !== undefined) return { unread: this.unread };
    const row = this.tables.get(table)?.get(id);
    return await Promise.resolve({ head: this.head, ...(row === undefined ? {} : { row }) });
  }

  async history(page: Parameters<ConfigurationSource["history"]>[0]): ReturnType<ConfigurationSource["history"]> {
    if (this.unread !== undefined) return { unread: this.unread };
    const all = this.changes.filter(({ sequence, time }) => sequence < (page.before ?? Infinity) && time >= (page.since ?? 0));
    const changes = all.slice(0, page.limit).map((change) => page.rows ? { ...change, rows: [] } : change);
    const next = all.length > page.limit ? { next: changes.at(-1)?.sequence as number } : {};
    return await Promise.resolve({ head: this.head, changes, ...next });
  }

  schema(): Promise<unknown> {
    return Promise.resolve({ title: "the schema" });
  }

  document(): ReturnType<ConfigurationSource["document"]> {
    return Promise.resolve(this.unread === undefined ? { head: this.head, text: '{"system":{}}' } : { unread: this.unread });
  }

  #plan(operations: readonly Operation[], steps: readonly RowStep[]): Plan {
    return { head: this.head, operations, steps };
  }

  /** Takes a document that is a list of operations. */
  async plan(document: Uint8Array): ReturnType<ConfigurationSource["plan"]> {
    if (this.unread !== undefined) return { unread: this.unread };
    if (this.findings.length > 0) return { findings: this.findings };
    const operations = JSON.parse(new TextDecoder().decode(document)) as Operation[];
    const steps = operations.map((operation): RowStep =>
      operation.kind === "put"
        ? { kind: "insert", table: operation.table as TableName, id: operation.row.id, after: operation.row }
        : { kind: "remove", table: operation.table as TableName, id: operation.id }
    );
    return await Promise.resolve(this.#plan(operations, steps));
  }

  async valueAt(path: string): ReturnType<ConfigurationSource["valueAt"]> {
    if (this.unread !== undefined) return { unread: this.unread };
    const [table = "", id = "", column] = path.split(".");
    const row = this.tables.get(table)?.get(id);
    if (row === undefined) return { mistake: `there is no ${id} in ${table}` };
    return await Promise.resolve({ head: this.head, value: column === undefined ? row : row[column] });
  }

  async planSetting(path: string, text: string): ReturnType<ConfigurationSource["planSetting"]> {
    const [table = "", id = "", column = ""] = path.split(".");
    const row = { id, [column]: text };
    const step: RowStep = { kind: "update", table: table as TableName, id, before: { id, [column]: null }, after: row };
    return await Promise.resolve(this.#plan([{ kind: "put", table, row }], [step]));
  }

  async planUnsetting(path: string): ReturnType<ConfigurationSource["planUnsetting"]> {
    const [table = "", id = ""] = path.split(".");
    return await Promise.resolve(this.#plan([{ kind: "remove", table, id }], [{ kind: "remove", table: table as TableName, id }]));
  }

  paths(begun: string): ReturnType<ConfigurationSource["paths"]> {
    if (this.unread !== undefined) return Promise.resolve({ unread: this.unread });
    return Promise.resolve({ head: this.head, paths: ["cards", "chassis"].filter((path) => path.startsWith(begun)) });
  }

  checkSets(): ReturnType<ConfigurationSource["checkSets"]> {
    return Promise.resolve(this.unread === undefined ? { head: this.head, findings: this.setFindings } : { unread: this.unread });
  }

  planMerge(_branch: string, prefer: "branch" | "chain" | undefined): ReturnType<ConfigurationSource["planMerge"]> {
    if (prefer === undefined) return Promise.resolve({ findings: [{ path: "/cards/1~12", message: "both sides changed it" }] });
    return Promise.resolve(this.#plan([{ kind: "put", table: "cards", row: { id: "1/2", chassis: "1", name: prefer } }], []));
  }

  async branchRows(branch: string): ReturnType<ConfigurationSource["branchRows"]> {
    if (!this.branches.some(({ id }) => id === branch)) return undefined;
    return await Promise.resolve({
      head: this.head,
      rows: [{ table: "cards", id: "1/2", changed: "both", branch: { id: "1/2", name: "a" }, chain: { id: "1/2", name: "b" } }],
    });
  }

  backup(): ReturnType<ConfigurationSource["backup"]> {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (const line of ["first\n", "second\n"]) yield new TextEncoder().encode(line);
    }
    return Promise.resolve({ head: this.head, pieces: pieces() });
  }

  async planBackup(pieces: AsyncIterable<Uint8Array>): ReturnType<ConfigurationSource["planBackup"]> {
    let bytes = 0;
    for await (const piece of pieces) bytes += piece.length;
    return this.#plan([], [{ kind: "remove", table: "hosts", id: String(bytes) }]);
  }
}

/** The app of card 1/2 with a configuration, and with failover where it is given, and what its tests move. */
export function standInApp(
  own: { readonly token: string; readonly tokenFile: string } | undefined = undefined,
  failover: FailoverSource | undefined = undefined,
) {
  const source = new StandIn();
  if (own !== undefined) source.tokenFile = own.tokenFile;
  const clock = { now: 1_000_000 };
  const told: string[] = [];
  const authority = new Authority({
    card: "card 1/2",
    adminDigest: digestOf(own?.token ?? adminToken),
    adminFile: "/var/lib/cardinal/state/admin-token",
    row: async (table, id) => {
      const found = await source.row(table, id);
      if ("unread" in found) throw new Error(found.unread.message);
      return found.row;
    },
    wallClock: () => clock.now,
    log: (_level, event, fields) => told.push(`${event}: ${fields["reason"]} (${fields["attempts"]})`),
  });
  const app = createApp({
    status: () => exampleStatus,
    card: source.card,
    configuration: { source, authority },
    ...(failover === undefined ? {} : { failover }),
  });
  const ask = (method: string, path: string, options: { body?: unknown; token?: string; headers?: Record<string, string> } = {}) => {
    const headers: Record<string, string> = { ...options.headers };
    const token = options.token ?? adminToken;
    if (token !== "") headers["authorization"] = `Bearer ${token}`;
    const body = options.body === undefined ? undefined : typeof options.body === "string" ? options.body : JSON.stringify(options.body);
    if (body !== undefined) {
      headers["content-type"] ??= "application/json";
      headers["content-length"] ??= String(new TextEncoder().encode(body).length);
    }
    return Promise.resolve(app.request(path, { method, headers, ...(body === undefined ? {} : { body }) }));
  };
  /** Puts a token into the table and gives its text. */
  const token = (name: string, more: Record<string, string | number | null>): string => {
    const text = tokenText(name, new Uint8Array(32).fill(name.length));
    source.put("tokens", { id: name, role: "viewer", user: null, sha256: hex(digestOf(text)), expiresAt: null, enabled: 1, ...more });
    return text;
  };
  return { source, app, ask, token, clock, told, authority };
}

export const configurationPaths = configurationResources(new StandIn()).map(({ path }) => path);
