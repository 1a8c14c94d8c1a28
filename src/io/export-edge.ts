/**
 * What this card offers to hosts over NBD: listens where the configuration has paths of this card, and tells each host of the exports that it may use, if the
 * path it came by carries commands and the device is served here. It decides nothing: access and the states of paths come from `src/storage/exports.ts`.
 *
 * A host that comes by a path in standby, or before the device is served, is told so (NBD_REP_ERR_SHUTDOWN) and is to try the other paths; one
 * that is in when its path ceases to carry commands is sent away once it is answered.
 */
import { type CardId, chassisOf, slotOf } from "../base/ids.ts";
import { nbdRequestBytesMax } from "../limits.ts";
import { accessOf, type AccessState, type ExportConfig, type ExportsConfig, type PathConfig, type PathId } from "../storage/exports.ts";
import { nbdPort, type NbdUnavailable } from "../storage/nbd-handshake.ts";
import type { BlockNews, BlockOpened } from "./block-ports.ts";
import { type NbdExports, type NbdGuest, NbdServer, type NbdServerOptions, type NbdSession, type ServedExport } from "./nbd-server.ts";

/** A device that this card's engine serves, or forwards to the card that does. */
export type ServedDevice = Omit<BlockOpened, "discardBytes" | "isBlock"> & { readonly number: number };

/** All that counts, as it is now. */
export type ExportFacts = {
  readonly config: ExportsConfig;
  readonly states: ReadonlyMap<PathId, AccessState>;
  /** By the ids of their resources. */
  readonly devices: ReadonlyMap<string, ServedDevice>;
};

export type ExportEdgeOptions = Omit<NbdServerOptions, "exports"> & {
  readonly card: CardId;
  /** A Unix socket for the card itself, where all exports are offered that are served here. */
  readonly socketPath?: string;
};

/** A place to listen that could not be had. It is tried again at the next update. */
export type ListenerProblem = { readonly host: string; readonly port: number; readonly reason: string };

type Place = { readonly host: string; readonly port: number; readonly paths: ReadonlySet<PathId> };
type Listener = { readonly number: number; paths: ReadonlySet<PathId> };

const everywhere = "::";
const everywhereOfV4 = "0.0.0.0";

export class ExportEdge {
  readonly #card: CardId;
  readonly #server: NbdServer;
  /** By host and port. */
  readonly #listeners = new Map<string, Listener>();
  /** By the listeners' numbers. */
  readonly #paths = new Map<number, Listener>();
  #facts: ExportFacts = { config: { exports: new Map(), hosts: [] }, states: new Map(), devices: new Map() };
  #problems: readonly ListenerProblem[] = [];

  /** Throws when the socket's path cannot be listened on, or the certificate is none. */
  constructor({ card, socketPath, ...options }: ExportEdgeOptions) {
    this.#card = card;
    const exports: NbdExports = { list: (guest) => this.#list(guest), find: (guest, name) => this.#find(guest, name) };
    this.#server = new NbdServer({ ...options, exports });
    if (socketPath !== undefined) this.#server.listen({ path: socketPath });
  }

  get sessions(): readonly NbdSession[] {
    return this.#server.sessions;
  }

  get problems(): readonly ListenerProblem[] {
    return this.#problems;
  }

  /** Resolves when sessions that these facts do not allow have ended. */
  async update(facts: ExportFacts): Promise<void> {
    this.#facts = facts;
    this.#listen();
    await this.#server.enforce();
  }

  onNews(news: BlockNews): void {
    this.#server.onNews(news);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }

  #listen(): void {
    const places = placesOf(this.#facts.config, this.#card);
    for (const [key, listener] of this.#listeners) {
      if (places.has(key)) continue;
      this.#server.unlisten(listener.number);
      this.#paths.delete(listener.number);
      this.#listeners.delete(key);
    }
    const problems: ListenerProblem[] = [];
    for (const [key, { host, port, paths }] of places) {
      const there = this.#listeners.get(key);
      if (there !== undefined) {
        there.paths = paths;
        continue;
      }
      try {
        const listener = { number: this.#open(host, port), paths };
        this.#listeners.set(key, listener);
        this.#paths.set(listener.number, listener);
      } catch (error) {
        problems.push({ host, port, reason: (error as Error).message });
      }
    }
    this.#problems = problems;
  }

  #open(host: string, port: number): number {
    try {
      return this.#server.listen({ host, port }).listener;
    } catch (error) {
      // A kernel without IPv6 has no place for both.
      if (host !== everywhere || (error as { readonly code?: string }).code !== "EAFNOSUPPORT") throw error;
      return this.#server.listen({ host: everywhereOfV4, port }).listener;
    }
  }

  #list(guest: NbdGuest): readonly ServedExport[] {
    return [...accessOf(this.#facts.config, "nbd", guest.address, undefined).keys()].flatMap((id) => {
      const config = this.#facts.config.exports.get(id);
      const found = config === undefined ? undefined : this.#offered(config, guest);
      return found === undefined || "unavailable" in found ? [] : [found];
    });
  }

  #find(guest: NbdGuest, name: string): ServedExport | NbdUnavailable {
    const { config } = this.#facts;
    const found = [...config.exports.values()].find(({ protocol, target }) => protocol === "nbd" && target === name);
    // Whoever has no access learns no more than of a name that there is not.
    if (found === undefined || !accessOf(config, "nbd", guest.address, undefined).has(found.export)) {
      return { unavailable: "unknown", message: `there is no export ${name} for ${guest.address === "" ? "this card" : guest.address}` };
    }
    return this.#offered(found, guest);
  }

  /** To a guest who may use it. */
  #offered(config: ExportConfig, guest: NbdGuest): ServedExport | NbdUnavailable {
    const { states, devices } = this.#facts;
    const came = this.#paths.get(guest.listener)?.paths;
    const paths = config.paths.filter(({ path }) => came?.has(path) === true);
    // By a Unix socket there is no path: who is on the card needs none.
    const carries = guest.address === "" || paths.some(({ path }) => ["optimized", "non-optimized"].includes(states.get(path) ?? ""));
    if (!carries) return { unavailable: "shutdown", message: this.#elsewhere(config, paths) };
    const device = devices.get(config.device);
    if (device === undefined) {
      return { unavailable: "shutdown", message: `${config.target} is not served by card ${nameOf(this.#card)} at the moment` };
    }
    const mode = accessOf(this.#facts.config, "nbd", guest.address, undefined).get(config.export);
    return {
      name: config.target,
      description: config.export === config.target ? "" : config.export,
      sizeBytes: device.size,
      readOnly: device.readOnly || mode !== "read-write",
      blockBytes: device.blockBytes,
      preferredBytes: device.preferredBytes,
      requestBytesMax: nbdRequestBytesMax,
      canTrim: device.canDiscard,
      canZero: device.canZero,
      // The device may have to write zeroes as data.
      zeroesFast: false,
      multipleConnections: true,
      device: device.number,
    };
  }

  #elsewhere({ target, paths }: ExportConfig, here: readonly PathConfig[]): string {
    const { states } = this.#facts;
    const good = paths.filter(({ path }) => ["optimized", "non-optimized"].includes(states.get(path) ?? ""));
    const cards = [...new Set(good.map(({ card }) => nameOf(card)))].join(", ");
    const state = here.length === 0 ? "is none of its paths" : `is ${states.get(here[0]?.path ?? "") ?? "unavailable"}`;
    return `${target}: this path ${state}; ${
      cards === "" ? "no path carries commands at the moment" : `commands are carried by card ${cards}`
    }`;
  }
}

/** Where this card listens for its paths, by host and port. */
function placesOf({ exports }: ExportsConfig, card: CardId): ReadonlyMap<string, Place> {
  const places = new Map<string, { host: string; port: number; paths: Set<PathId> }>();
  for (const config of exports.values()) {
    if (config.protocol !== "nbd") continue;
    for (const path of config.paths) {
      if (path.card !== card) continue;
      const [host, port] = [path.address ?? everywhere, path.port ?? nbdPort];
      const place = places.get(`${host} ${port}`) ?? { host, port, paths: new Set() };
      place.paths.add(path.path);
      places.set(`${host} ${port}`, place);
    }
  }
  return places;
}

function nameOf(card: CardId): string {
  return `${chassisOf(card)}/${slotOf(card)}`;
}
