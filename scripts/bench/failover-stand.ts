/**
 * A chassis whose cards serve something that moves, and a client of it in the namespace of the hosts: what the benchmark of failover and its tests have in
 * common.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { SetsView } from "../../src/failover/failover-view.ts";
import { type Chassis, type UpOptions, withChassis } from "../chassis/chassis.ts";
import { cardMac, interfaceName, prefixLength } from "../chassis/names.ts";
import { buildDirectory, node, repository } from "../chassis/repository.ts";
import type { ChassisStatus } from "../chassis/status.ts";
import type { ClientOptions, Observed } from "./failover-client.ts";

/** What moves. */
export const movingAddress = "10.77.9.9";
const program = fileURLToPath(new URL("failover-client.ts", import.meta.url));

export type Document = Readonly<Record<string, unknown>>;

/** The cards of one chassis, a set of all of them, the lowest first, and its service "web" with an address and what else is given. */
export function webDocument(
  cards: readonly number[],
  more: { readonly resources?: Document; readonly addressNeeds?: readonly string[] } = {},
): Document {
  const { resources = {}, addressNeeds = [] } = more;
  const names = cards.map((card) => `1/${card}`);
  const address = { kind: "address", service: "web", address: movingAddress, prefix: prefixLength, interface: interfaceName };
  return {
    chassis: { 1: {} },
    cards: Object.fromEntries(names.map((name) => [name, {}])),
    failoverSets: { web: { members: Object.fromEntries(names.map((name, index) => [name, { rank: index + 1 }])) } },
    services: { web: { set: "web" } },
    resources: { "web-ip": { ...address, ...(addressNeeds.length === 0 ? {} : { needs: addressNeeds }) }, ...resources },
  };
}

export class FailoverStand {
  readonly chassis: Chassis;
  readonly cards: readonly number[];

  constructor(chassis: Chassis, cards: readonly number[]) {
    this.chassis = chassis;
    this.cards = cards;
  }

  /** What a command of the card's console prints; throws what it says when it fails. */
  async cardinal(card: number, ...words: readonly string[]): Promise<string> {
    const program = this.chassis.settings.runtime === "binary" ? [`${buildDirectory}/cardinal`] : [node, `${repository}/firmware/main.ts`];
    const { code, stdout, stderr } = await this.chassis.exec(card, [...program, ...words], 60_000);
    if (code !== 0) throw new Error(`cardinal ${words.join(" ")} on card ${card}: ${stderr.trim() || `exit code ${code}`}`);
    return stdout;
  }

  async configure(document: Document): Promise<void> {
    const file = `${this.chassis.directory}/document.json`;
    writeFileSync(file, JSON.stringify(document));
    await this.cardinal(this.cards[0] as number, "config", "apply", file, "--yes");
  }

  /** Whether these cards are replicas, current, and have finished their start. */
  isWhole({ cards }: ChassisStatus, members: readonly number[] = this.cards): boolean {
    return members.every((card) => {
      const status = cards.find(({ slot }) => slot === card)?.status;
      return status?.configuration?.state === "current" && status.configuration.replicas.length === members.length &&
        status.boot.state === "ready";
    });
  }

  async waitUntilWhole(timeoutMs = 60_000): Promise<void> {
    await this.chassis.waitFor("all cards are current and ready", (status) => this.isWhole(status), timeoutMs);
  }

  /** What the first of these cards that answers knows. */
  async view(...cards: readonly number[]): Promise<SetsView> {
    let failure: unknown;
    for (const card of cards.length === 0 ? this.cards : cards) {
      try {
        return JSON.parse(await this.cardinal(card, "set", "show", "--json")) as SetsView;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Waits until the service "web" runs on a card other than those given, as one of those asked knows, and gives that card. */
  async servedBy(asked: readonly number[], withinMs: number, ...not: readonly number[]): Promise<number> {
    const until = performance.now() + withinMs;
    for (;;) {
      const service = (await this.view(...asked)).sets.find(({ set }) => set === "web")?.services.find((each) => each.service === "web");
      const card = service?.owner?.card;
      if (service?.grant === "running" && card !== undefined && !not.includes(card)) return card;
      if (performance.now() > until) throw new Error(`not within ${withinMs} ms: web runs elsewhere; it is ${JSON.stringify(service)}`);
      await sleep(100);
    }
  }

  /** The card with this hardware address. */
  cardOf(mac: string): number | undefined {
    return this.cards.find((card) => cardMac(this.chassis.name, this.chassis.place(card)) === mac);
  }

  /** The addresses that a card's interface has, without their prefixes. */
  async addresses(card: number): Promise<string[]> {
    const { stdout } = await this.chassis.exec(card, ["ip", "-brief", "address", "show", interfaceName]);
    return stdout.trim().split(/\s+/).slice(2).map((address) => address.slice(0, address.indexOf("/")));
  }

  /** Starts a client. It is answered when this resolves, or it has been asking for `withinMs`. */
  async client(
    options: { readonly periodMs: number; readonly http?: number; readonly realtime?: boolean; readonly withinMs?: number },
  ): Promise<FailoverClient> {
    const { withinMs = 20_000, ...given } = options;
    const state = `${this.chassis.directory}/client`;
    mkdirSync(state, { recursive: true });
    const words: ClientOptions = { address: movingAddress, interface: interfaceName, state, ...given };
    const { program: enter, args, cwd, env } = this.chassis.execCommand("host", [node, program, JSON.stringify(words)], "/");
    const client = new FailoverClient(spawn(enter, args, { cwd, env, stdio: ["pipe", "pipe", "inherit"] }));
    const until = performance.now() + withinMs;
    while ((await client.observe(200)).answers === 0) if (performance.now() > until) break;
    return client;
  }
}

export class FailoverClient {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** What was seen since it was asked last, `afterMs` from now. */
  async observe(afterMs = 0): Promise<Observed> {
    await sleep(afterMs);
    this.#child.stdin?.write("\n");
    const { value, done } = await this.#lines.next() as IteratorResult<string, undefined>;
    if (done === true) throw new Error("the client has ended");
    return JSON.parse(value) as Observed;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** A chassis with a configuration, whole and serving; taken down afterwards. */
export async function withFailover(
  options: UpOptions & { readonly document: Document },
  use: (stand: FailoverStand) => Promise<void>,
): Promise<void> {
  const { document, ...settings } = options;
  const count = settings.cards ?? 3;
  await withChassis({ cards: count, ...settings }, async (chassis) => {
    const stand = new FailoverStand(chassis, Array.from({ length: count }, (_, index) => index + 1));
    await stand.waitUntilWhole();
    await stand.configure(document);
    await use(stand);
  });
}
