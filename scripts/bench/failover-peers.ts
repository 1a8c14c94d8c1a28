/**
 * What Cardinal's failover is measured beside: keepalived, and corosync with pacemaker, moving the same address among the namespaces of the same cards.
 *
 * The chassis is up and its cards have left; each node of a peer is a process in a card's namespace. It crashes as a card does: everything in the namespace is
 * killed, and its interface goes down without its addresses. What runs there ends with the chassis, however that comes to its end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Chassis, withChassis } from "../chassis/chassis.ts";
import { preparedScript, runScript } from "../chassis/command.ts";
import { cardAddress, cardNamespace, interfaceName, prefixLength } from "../chassis/names.ts";
import { cardOffScript, cardOnScript, carrierScript, noEtherCut } from "../chassis/network.ts";
import { outerUser } from "../chassis/place.ts";
import { kill, processesInside } from "../chassis/processes.ts";
import { FailoverStand, movingAddress } from "./failover-stand.ts";

export type PeerName = "keepalived" | "corosync";

type Timing = {
  readonly name: string;
  /** More runs than this say nothing more and take minutes. */
  readonly timesMax: number;
  /** From the first answer of a start to the next fault, for what the nodes do among themselves. */
  readonly restMs: number;
};

type Node = { readonly chassis: Chassis; readonly card: number; readonly cards: readonly number[]; readonly directory: string };

export type Peer = {
  readonly system: PeerName;
  /** Programs that have to be there, and the Debian packages that bring them. */
  readonly programs: readonly string[];
  readonly packages: string;
  /** Where it does not run but as root of the machine. */
  readonly needsRoot: boolean;
  readonly timings: readonly Timing[];
  /** What is run in the card's namespace, with the files that it needs in the node's directory. */
  readonly command: (node: Node, timing: string) => readonly string[];
  /** Whether all of these nodes are whole again, as one of them sees it. */
  readonly isWhole: (stand: PeerStand, cards: readonly number[]) => Promise<boolean>;
};

const outputCharsMax = 4_000;
/** The cards' own priority in real time. */
const realtimePriority = 20;

const advertisements: Readonly<Record<string, number>> = { "advert-10ms": 0.01, "advert-100ms": 0.1, "advert-1s": 1 };

const keepalived: Peer = {
  system: "keepalived",
  programs: ["keepalived"],
  packages: "keepalived",
  needsRoot: false,
  timings: [
    { name: "advert-10ms", timesMax: 1_000, restMs: 1_000 },
    { name: "advert-100ms", timesMax: 1_000, restMs: 2_000 },
    { name: "advert-1s", timesMax: 10, restMs: 6_000 },
  ],
  command: ({ card, directory }, timing) => {
    // Who comes back does not take the address back, or each run would have two gaps.
    writeFileSync(
      `${directory}/keepalived.conf`,
      `global_defs {
  router_id card${card}
  vrrp_version 3
${outerUser() === 0 ? `  vrrp_rt_priority ${realtimePriority}\n` : ""}}
vrrp_instance web {
  state BACKUP
  nopreempt
  interface ${interfaceName}
  virtual_router_id 77
  priority ${200 - 20 * card}
  advert_int ${advertisements[timing]}
  virtual_ipaddress {
    ${movingAddress}/${prefixLength} dev ${interfaceName}
  }
}
`,
    );
    const files = ["-f", `${directory}/keepalived.conf`, "-p", `${directory}/pid`, "-r", `${directory}/vrrp.pid`];
    return ["keepalived", "--dont-fork", "--log-console", "--no-syslog", "--vrrp", ...files];
  },
  // The one that others are started from, and the one of VRRP.
  isWhole: (stand, cards) => Promise.resolve(cards.every((card) => processesInside([stand.namespaceOf(card)]).length === 2)),
};

const corosync: Peer = {
  system: "corosync",
  programs: ["corosync", "pacemakerd", "crm_mon"],
  packages: "corosync, pacemaker, pacemaker-cli-utils and resource-agents",
  needsRoot: true,
  timings: [
    { name: "token-150ms", timesMax: 20, restMs: 3_000 },
    { name: "token-default", timesMax: 5, restMs: 5_000 },
  ],
  command: ({ card, cards, directory, chassis }, timing) => {
    const nodes = cards.map((each) =>
      `  node {\n    nodeid: ${each}\n    name: card${each}\n    ring0_addr: ${cardAddress(chassis.place(each))}\n  }`
    );
    const token = timing === "token-150ms" ? "  token: 150\n  token_coefficient: 0\n" : "";
    writeFileSync(
      `${directory}/corosync.conf`,
      `totem {
  version: 2
  cluster_name: bench
  transport: knet
  crypto_cipher: none
  crypto_hash: sha256
  keyfile: /run/key
${token}}
system {
  sched_rr: yes
}
logging {
  to_stderr: yes
  to_syslog: no
  to_logfile: no
}
quorum {
  provider: corosync_votequorum
}
nodelist {
${nodes.join("\n")}
}
`,
    );
    writeFileSync(`${directory}/key`, clusterKey, { mode: 0o600 });
    writeFileSync(`${directory}/cib.xml`, informationBase());
    const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--uts"];
    return ["unshare", ...namespaces, "sh", nodeProgram, `card${card}`, directory];
  },
  isWhole: async (stand, cards) => {
    const { stdout, code } = await stand.inside(cards[0] as number, ["crm_mon", "-1", "--output-as=xml"]);
    const nodes = [...stdout.matchAll(/<node name="card\d"[^>]* online="[^>]*>/g)].map(([node]) => node);
    return code === 0 && nodes.length === cards.length &&
      nodes.every((node) => node.includes('online="true"') && node.includes('pending="false"'));
  },
};

export const peers: readonly Peer[] = [keepalived, corosync];

const nodeProgram = fileURLToPath(new URL("peers/pacemaker-node.sh", import.meta.url));
const clusterKey = randomBytes(256);

/** One address that stays where it is; nothing is fenced, for there is nothing to fence with here. */
function informationBase(): string {
  const property = (name: string, value: string) => `<nvpair id="set-${name}" name="${name}" value="${value}"/>`;
  const attribute = (name: string, value: string) => `<nvpair id="ip-${name}" name="${name}" value="${value}"/>`;
  return `<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.0" epoch="1" num_updates="0" admin_epoch="1">
  <configuration>
    <crm_config><cluster_property_set id="set">
      ${property("stonith-enabled", "false")}${property("no-quorum-policy", "stop")}${property("dc-deadtime", "5s")}
    </cluster_property_set></crm_config>
    <nodes/>
    <resources>
      <primitive id="web-ip" class="ocf" provider="heartbeat" type="IPaddr2">
        <instance_attributes id="ip">
          ${attribute("ip", movingAddress)}${attribute("cidr_netmask", String(prefixLength))}${attribute("nic", interfaceName)}
        </instance_attributes>
        <operations><op id="ip-monitor" name="monitor" interval="10s" timeout="20s"/></operations>
      </primitive>
    </resources>
    <constraints/>
    <rsc_defaults><meta_attributes id="defaults"><nvpair id="stickiness" name="resource-stickiness" value="100"/></meta_attributes></rsc_defaults>
  </configuration>
  <status/>
</cib>
`;
}

/** Why a peer cannot be measured here. */
export function missingOf({ system, programs, packages, needsRoot }: Peer): string | undefined {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length > 0) return `${missing.join(" and ")} not installed: apt-get install ${packages.replace(/,| and/g, "")}`;
  if (needsRoot && outerUser() !== 0) return `${system} changes to users of its own, which takes root of the machine`;
  return undefined;
}

function isInstalled(program: string): boolean {
  return [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"].some((directory) => {
    try {
      accessSync(`${directory}/${program}`, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export class PeerStand {
  readonly stand: FailoverStand;
  readonly #peer: Peer;
  readonly #timing: Timing;
  readonly #nodes = new Map<number, ChildProcess>();
  #output = "";

  constructor(stand: FailoverStand, peer: Peer, timing: Timing) {
    this.stand = stand;
    this.#peer = peer;
    this.#timing = timing;
  }

  namespaceOf(card: number): string {
    const { chassis } = this.stand;
    return cardNamespace(chassis.name, chassis.place(card));
  }

  async start(card: number): Promise<void> {
    const { chassis, cards } = this.stand;
    const place = chassis.place(card);
    await runScript(cardOnScript(chassis.name, place));
    const directory = `${chassis.directory}/peer-${card}`;
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    const { program, args, env } = chassis.execCommand(
      place,
      this.#peer.command({ chassis, card, cards, directory }, this.#timing.name),
      "/",
    );
    const node = spawn(program, [...args], { cwd: "/", env: withSystemPath(env), stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [node.stdout, node.stderr]) stream.setEncoding("utf8").on("data", (text: string) => this.#keep(card, text));
    node.on("error", (error) => this.#keep(card, error.message));
    this.#nodes.set(card, node);
  }

  #keep(card: number, text: string): void {
    this.#output = (this.#output + text.replace(/^(?=.)/gm, `${card}: `)).slice(-outputCharsMax);
  }

  async crash(card: number): Promise<void> {
    const { chassis } = this.stand;
    const place = chassis.place(card);
    const unplug = await preparedScript(carrierScript(chassis.name, place, { ...noEtherCut, unplugged: true }));
    const [stuck] = await Promise.all([kill(processesInside([this.namespaceOf(card)])), unplug()]);
    if (stuck.length > 0) throw new Error(`process ${stuck[0]?.pid} on card ${card} cannot be ended`);
    await runScript(cardOffScript(chassis.name, place));
    await runScript(carrierScript(chassis.name, place, noEtherCut));
    this.#nodes.delete(card);
  }

  /** In the namespaces of a node, with its own view of processes and files. */
  async inside(card: number, command: readonly string[]) {
    const { chassis } = this.stand;
    const init = processesInside([this.namespaceOf(card)]).map(({ pid }) => pid).find((pid) => this.#nodes.get(card)?.pid !== pid);
    const words = init === undefined ? command : ["nsenter", "--target", String(init), "--mount", "--pid", "--ipc", "--uts", ...command];
    return await chassis.exec(card, words, 10_000);
  }

  /** Waits until one of these alone has the address, and gives that one. */
  async ownedBy(cards: readonly number[], withinMs: number): Promise<number> {
    const until = performance.now() + withinMs;
    for (;;) {
      const have = await Promise.all(cards.map(async (card) => (await this.stand.addresses(card)).includes(movingAddress)));
      const owners = cards.filter((_, index) => have[index]);
      if (owners.length === 1) return owners[0] as number;
      if (performance.now() > until) {
        throw new Error(
          `${this.#peer.system}: not within ${withinMs} ms: one of the cards ${
            cards.join(", ")
          } has the address. The nodes said:\n${this.#output}`,
        );
      }
      await sleep(50);
    }
  }

  async waitUntilWhole(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (!await this.#peer.isWhole(this, this.stand.cards)) {
      if (performance.now() > until) {
        throw new Error(`${this.#peer.system}: not within ${withinMs} ms: all nodes are there. They said:\n${this.#output}`);
      }
      await sleep(200);
    }
    await sleep(this.#timing.restMs);
  }

  end(): void {
    for (const node of this.#nodes.values()) node.kill("SIGKILL");
  }
}

/** Programs of the system are in directories that a user's path need not have. */
function withSystemPath(env: Record<string, string | undefined>): NodeJS.ProcessEnv {
  return { ...env, PATH: `${env["PATH"] ?? ""}:/usr/sbin:/sbin` };
}

/** A peer on all of these cards, whole and serving; taken down afterwards. */
export async function withPeer(
  name: string,
  cards: readonly number[],
  peer: Peer,
  timing: Timing,
  use: (stand: PeerStand) => Promise<void>,
): Promise<void> {
  await withChassis({ name, cards: cards.length, runtime: "binary" }, async (chassis) => {
    for (const card of cards) await chassis.leave(card);
    const stand = new PeerStand(new FailoverStand(chassis, cards), peer, timing);
    try {
      for (const card of cards) await stand.start(card);
      await stand.ownedBy(cards, 60_000);
      await stand.waitUntilWhole(60_000);
      await use(stand);
    } finally {
      stand.end();
    }
  });
}
