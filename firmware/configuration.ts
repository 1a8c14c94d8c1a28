/**
 * A card's configuration as HTTP asks for it: reads go to the store, changes to the node. What is asked before the store is opened is
 * refused, not kept waiting.
 */
import type { ConfigurationSource } from "../src/api/configuration-source.ts";
import type { CardId } from "../src/base/ids.ts";
import type { ConfigStore } from "../src/io/config-store.ts";
import type { Unread } from "../src/config/read-answer.ts";
import type { ConfigAnswer, ConfigRequest, ConfigurationStatus } from "../src/config/request.ts";

export type CardConfigurationOptions = {
  readonly card: CardId;
  readonly tokenFile: string;
  /** The store, once it is opened. */
  readonly store: () => ConfigStore | undefined;
  /** What the node says; absent until it knows of the store. */
  readonly status: () => ConfigurationStatus | undefined;
  readonly ask: (request: ConfigRequest) => Promise<ConfigAnswer>;
  /** Attempts with a wrong token since the start. */
  readonly refusedTokens: () => number;
};

const opening: ConfigurationStatus = {
  state: "opening",
  head: { sequence: 0, epoch: 0, hash: "00".repeat(32) },
  level: 0,
  levelMax: 0,
  replicas: [],
  ageMs: 0,
  branches: [],
  pending: 0,
  load: { served: 0, servedForOthers: 0, forwarded: 0 },
  counters: {},
};
const unread: Unread = { unread: { code: "catching-up", message: "the card starts: its configuration is being opened" } };

export class CardConfiguration implements ConfigurationSource {
  readonly #options: CardConfigurationOptions;
  #servedCount = 0;

  constructor(options: CardConfigurationOptions) {
    this.#options = options;
  }

  get card(): CardId {
    return this.#options.card;
  }

  get tokenFile(): string {
    return this.#options.tokenFile;
  }

  /** With what this card served at its edge. */
  status(): ConfigurationStatus {
    const status = this.#options.status() ?? opening;
    const load = { ...status.load, served: status.load.served + this.#servedCount };
    return { ...status, load, counters: { ...status.counters, tokensRefused: this.#options.refusedTokens() } };
  }

  countServed(): void {
    this.#servedCount++;
  }

  ask(request: ConfigRequest): Promise<ConfigAnswer> {
    return this.#options.ask(request);
  }

  async schema(): Promise<unknown> {
    return (await import("../src/config/document-schema.ts")).documentSchema();
  }

  rows(...asked: Parameters<ConfigurationSource["rows"]>): ReturnType<ConfigurationSource["rows"]> {
    return this.#read((store) => store.rows(...asked));
  }

  row(...asked: Parameters<ConfigurationSource["row"]>): ReturnType<ConfigurationSource["row"]> {
    return this.#read((store) => store.row(...asked));
  }

  /** A row that is looked up with each request. */
  keptRow(...asked: Parameters<ConfigStore["keptRow"]>): ReturnType<ConfigStore["keptRow"]> {
    return this.#read((store) => store.keptRow(...asked));
  }

  history(...asked: Parameters<ConfigurationSource["history"]>): ReturnType<ConfigurationSource["history"]> {
    return this.#read((store) => store.history(...asked));
  }

  document(): ReturnType<ConfigurationSource["document"]> {
    return this.#read((store) => store.document({ secrets: false }));
  }

  plan(document: Uint8Array): ReturnType<ConfigurationSource["plan"]> {
    return this.#read((store) => store.planDocument(document));
  }

  valueAt(path: string): ReturnType<ConfigurationSource["valueAt"]> {
    return this.#read((store) => store.valueAt(path, { secrets: false }));
  }

  paths(begun: string): ReturnType<ConfigurationSource["paths"]> {
    return this.#read((store) => store.paths(begun));
  }

  checkSets(): ReturnType<ConfigurationSource["checkSets"]> {
    return this.#read((store) => store.checkSets());
  }

  planSetting(...asked: Parameters<ConfigurationSource["planSetting"]>): ReturnType<ConfigurationSource["planSetting"]> {
    return this.#read((store) => store.planSetting(...asked));
  }

  planUnsetting(path: string): ReturnType<ConfigurationSource["planUnsetting"]> {
    return this.#read((store) => store.planUnsetting(path));
  }

  planMerge(...asked: Parameters<ConfigurationSource["planMerge"]>): ReturnType<ConfigurationSource["planMerge"]> {
    return this.#read((store) => store.planMerge(...asked));
  }

  branchRows(...asked: Parameters<ConfigurationSource["branchRows"]>): ReturnType<ConfigurationSource["branchRows"]> {
    return this.#read((store) => store.branchRows(...asked));
  }

  backup(): ReturnType<ConfigurationSource["backup"]> {
    return this.#read((store) => store.backup());
  }

  planBackup(pieces: AsyncIterable<Uint8Array>): ReturnType<ConfigurationSource["planBackup"]> {
    return this.#read((store) => store.planBackup(pieces));
  }

  #read<Value>(read: (store: ConfigStore) => Promise<Value>): Promise<Value | Unread> {
    const store = this.#options.store();
    return store === undefined ? Promise.resolve(unread) : read(store);
  }
}
