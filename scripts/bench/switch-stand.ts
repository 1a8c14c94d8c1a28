/**
 * A web server that stands by on all cards of a chassis, an address that is on one of them, and many clients of it in the namespace of the hosts: what the
 * benchmark of a planned switch and its test have in common.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Chassis, type UpOptions, withChassis } from "../chassis/chassis.ts";
import { cardDirectory, outerUser, ownFiles } from "../chassis/place.ts";
import { node } from "../chassis/repository.ts";
import { type Document, type FailoverClient, FailoverStand, movingAddress, webDocument } from "./failover-stand.ts";
import type { CrowdOptions, CrowdSeen, FailedRequest } from "./switch-client.ts";

const httpd = "/usr/sbin/nginx";
const agent = "/usr/lib/ocf/resource.d/heartbeat/nginx";
const program = fileURLToPath(new URL("switch-client.ts", import.meta.url));
const clientPauseMs = 200;
/** A gap that is further from the instant at which the address was seen on its new card has nothing to do with it. */
const nearMs = 100;
/** The kernel sends a second SYN after a second. */
const secondSynMs = 900;
const port = 80;

/** What is missing on this machine for a web server through its OCF agent. */
export function missingForWebServers(): string | undefined {
  if (!existsSync(httpd)) return `${httpd} is not there: apt-get install nginx-light`;
  return existsSync(agent) ? undefined : `${agent} is not there: apt-get install resource-agents`;
}

/** Each card has the files at the same path, and they are its own. */
function writeServerFiles(chassis: Chassis, cards: readonly number[]): string {
  const inside = `${chassis.directory}/${ownFiles}`;
  for (const card of cards) {
    const outside = `${cardDirectory(chassis.directory, chassis.place(card))}/${ownFiles}`;
    mkdirSync(outside, { recursive: true });
    writeFileSync(
      `${outside}/nginx.conf`,
      `pid ${inside}/nginx.pid; error_log ${inside}/error.log; worker_processes 1; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000; server { listen ${port} backlog=1024; location / { return 200 "here\\n"; } } }
`,
    );
  }
  return `${inside}/nginx.conf`;
}

function documentOf(cards: readonly number[], configfile: string, standby: "cold" | "hot"): Document {
  const parameters = { configfile, port: String(port), httpd };
  const server = { kind: "application", service: "web", agent: "ocf", type: "nginx", parameters, standby, startS: 20, stopS: 20 };
  return webDocument(cards, { resources: { "web-server": server }, addressNeeds: ["web-server"] });
}

export class SwitchStand {
  readonly stand: FailoverStand;

  constructor(stand: FailoverStand) {
    this.stand = stand;
  }

  /** Waits until a web server answers on each of these cards. */
  async waitForServers(cards: readonly number[], withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    for (const card of cards) {
      while ((await this.stand.chassis.exec(card, ["curl", "-sf", "--max-time", "1", "http://127.0.0.1/"])).stdout !== "here\n") {
        if (performance.now() > until) {
          const alarms = (await this.stand.chassis.cardStatus(card))?.alarms.map(({ text }) => text) ?? [];
          throw new Error(`not within ${withinMs} ms: a web server on card ${card}; its alarms: ${alarms.join("; ") || "none"}`);
        }
        await sleep(100);
      }
    }
  }

  /** Starts clients; some of them are answered when this resolves. */
  async crowd(clients: number): Promise<Crowd> {
    const state = `${this.stand.chassis.directory}/crowd`;
    mkdirSync(state, { recursive: true });
    const options: CrowdOptions = { address: movingAddress, port, clients, pauseMs: clientPauseMs, state, realtime: outerUser() === 0 };
    const { program: enter, args, cwd, env } = this.stand.chassis.execCommand("host", [node, program, JSON.stringify(options)], "/");
    const crowd = new Crowd(spawn(enter, args, { cwd, env, stdio: ["pipe", "pipe", "inherit"] }));
    const until = performance.now() + 20_000;
    while ((await crowd.seen(500)).answers < clients) {
      if (performance.now() > until) throw new Error(`not within 20 s: ${clients} answers in half a second`);
    }
    return crowd;
  }

  /** Has the address move, and gives what the clients saw of it. `witness` is a client that sees who has it. */
  async switchTo(card: number, crowd: Crowd, witness: FailoverClient): Promise<Switched> {
    const { stand } = this;
    await Promise.all([crowd.seen(), witness.observe()]);
    await stand.cardinal(card, "set", "switch", "web", "--to", `1/${card}`);
    await stand.servedBy(stand.cards, 20_000, ...stand.cards.filter((each) => each !== card));
    // Who lost its first SYN sends another one after a second.
    const [seen, { owners, doubles }] = await Promise.all([crowd.seen(2_500), witness.observe(2_500)]);
    const movedAt = owners[1]?.atMs;
    if (doubles > 0 || owners.length !== 2 || movedAt === undefined || stand.cardOf(owners[1]?.mac ?? "") !== card) {
      throw new Error(
        `the address was to move to card ${card}; it was on ${
          owners.map(({ mac }) => stand.cardOf(mac)).join(", ")
        }, on two at once ${doubles} times`,
      );
    }
    const near = seen.gaps.filter(({ fromMs, toMs }) => toMs > movedAt - nearMs && fromMs < movedAt + nearMs);
    return {
      seen,
      gapMs: Math.max(0, ...near.map(({ fromMs, toMs }) => toMs - fromMs)),
      unexcused: seen.failures.filter((failed) => !wasOpenBefore(movedAt, failed)),
    };
  }
}

/** A connection that was begun before that and opened with its first SYN was open to the card that the address has left. When its client heard of it says less. */
function wasOpenBefore(movedAt: number, { begunAt, openedAt }: FailedRequest): boolean {
  return begunAt <= movedAt && openedAt !== undefined && openedAt - begunAt < secondSynMs;
}

export type Switched = {
  readonly seen: CrowdSeen;
  /** The longest time between two answers to whomever, when the address moved. */
  readonly gapMs: number;
  /** Requests that failed although their connection was not open to the card that the address has left. */
  readonly unexcused: readonly FailedRequest[];
};

export class Crowd {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** What was seen since it was asked last, `afterMs` from now. */
  async seen(afterMs = 0): Promise<CrowdSeen> {
    await sleep(afterMs);
    this.#child.stdin?.write("\n");
    const { value, done } = await this.#lines.next() as IteratorResult<string, undefined>;
    if (done === true) throw new Error("the clients have ended");
    return JSON.parse(value) as CrowdSeen;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** A chassis whose cards all have the web server, and one of which has the address; taken down afterwards. */
export async function withWebServers(
  options: UpOptions & { readonly standby: "cold" | "hot" },
  use: (stand: SwitchStand) => Promise<void>,
): Promise<void> {
  const { standby, ...settings } = options;
  const count = settings.cards ?? 3;
  await withChassis({ cards: count, ...settings }, async (chassis) => {
    const cards = Array.from({ length: count }, (_, index) => index + 1);
    const stand = new FailoverStand(chassis, cards);
    await stand.waitUntilWhole();
    await stand.configure(documentOf(cards, writeServerFiles(chassis, cards), standby));
    const owner = await stand.servedBy(cards, 30_000);
    const servers = new SwitchStand(stand);
    await servers.waitForServers(standby === "hot" ? cards : [owner], 60_000);
    await use(servers);
  });
}
