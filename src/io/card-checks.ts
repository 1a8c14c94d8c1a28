/**
 * The named checks of a card, carried out on a real machine: those of its start (POST) and those of the self-test that a peer asks for. None of them
 * holds the program's loop up: disks are asked through the runtime's threads, and what does not answer is given up by the node.
 */
import { createSocket } from "node:dgram";
import { open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { LinkKind } from "../base/ids.ts";
import type { CheckOutcome, PostCheck, SelfTestCheck } from "../failover/self-test-checks.ts";
import { defaultGateway, interfaceCounters, isNeighborKnown } from "./interface-facts.ts";
import { systemErrorCode, systemErrorText } from "./refusal.ts";

export type CardChecksOptions = {
  readonly stateDirectory: string;
  readonly interface: string;
  /** What our port of a link said last; `undefined` before its first word. */
  readonly port: (link: LinkKind) => { readonly up: boolean; readonly reason: string } | undefined;
  /** Whether the watchdog is open; `undefined` on a card without one. */
  readonly watchdog: () => boolean | undefined;
};

type Found = Omit<CheckOutcome, "ms">;

const passed: Found = { result: "passed", code: "", text: "" };
const skipped = (text: string): Found => ({ result: "skipped", code: "", text });
const failed = (code: string, text: string): Found => ({ result: "failed", code, text });

/** The program, the groups and a replica need about so much. */
const memoryBytesMin = 64 * 1024 * 1024;
/** Before the first release there was no card; a clock that shows less has lost its battery. */
const yearMin = 2025;
const portWaitMs = 1_500;
const quietWaitMs = 400;
const pollMs = 20;

export class CardChecks {
  readonly #options: CardChecksOptions;
  /** Under way. */
  #diskTest: Promise<Found> | undefined;

  constructor(options: CardChecksOptions) {
    this.#options = options;
  }

  post(check: PostCheck): Promise<CheckOutcome> {
    switch (check) {
      case "clock":
        return timed(() => this.#clock());
      case "memory":
        return timed(() => this.#memory());
      case "state":
        return timed(() => this.#disk("post"));
      case "ether":
      case "serial":
        return timed(() => this.#port(check));
      case "watchdog":
        return timed(() => this.#watchdog());
    }
  }

  /** The checks of the node itself are none of these. */
  selfTest(check: SelfTestCheck): Promise<CheckOutcome> {
    switch (check) {
      case "disk":
        return timed(() => this.#testDisk());
      case "carrier":
        return timed(() => this.#carrier());
      case "loopback":
        return timed(() => this.#loopback());
      case "gateway":
        return timed(() => this.#gateway());
      default:
        return timed(() => skipped("the node's own"));
    }
  }

  #clock(): Found {
    const year = new Date().getUTCFullYear();
    return year >= yearMin && year < yearMin + 75
      ? passed
      : failed("date", `the clock shows the year ${year}; set it, or look at its battery`);
  }

  async #memory(): Promise<Found> {
    const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile("/proc/meminfo", "utf8"))?.[1];
    if (kibibytes === undefined) return skipped("the system does not tell how much memory is available");
    const bytes = Number(kibibytes) * 1_024;
    return bytes >= memoryBytesMin
      ? passed
      : failed("memory", `${Math.round(bytes / 1_048_576)} MiB are available, ${memoryBytesMin / 1_048_576} are needed`);
  }

  /** Who asks while it is being tested has the same answer: two at a time would write the same file, and each find that of the other. */
  #testDisk(): Promise<Found> {
    this.#diskTest ??= this.#disk("self-test").finally(() => {
      this.#diskTest = undefined;
    });
    return this.#diskTest;
  }

  /** A small file, all the way to the disk and back. */
  async #disk(purpose: string): Promise<Found> {
    const path = join(this.#options.stateDirectory, `.${purpose}`);
    const text = `${Date.now()} ${Math.trunc(performance.now())}\n`;
    const file = await open(path, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    const read = await readFile(path, "utf8");
    await unlink(path);
    return read === text ? passed : failed("differs", `${path} gave back something else than was written`);
  }

  async #port(link: LinkKind): Promise<Found> {
    const said = await waitFor(portWaitMs, () => this.#options.port(link));
    if (said === undefined) return failed("silent", "the port has not said anything");
    return said.up ? passed : failed("down", said.reason);
  }

  #watchdog(): Found {
    const isOpen = this.#options.watchdog();
    if (isOpen === undefined) return skipped("the card has none");
    return isOpen ? passed : failed("closed", "the watchdog could not be opened");
  }

  #carrier(): Found {
    const port = this.#options.port("ether");
    return port?.up === true ? passed : failed("no-carrier", port?.reason ?? "the port has not said anything");
  }

  /**
   * Frames that come in prove the port; errors of what goes out prove the opposite. A port on which it is quiet proves nothing, and who hears
   * whom is for the node to weigh.
   */
  async #loopback(): Promise<Found> {
    if (this.#options.port("ether")?.up !== true) return this.#carrier();
    const before = await this.#counters();
    if (before === undefined) return failed("missing", `there is no interface ${this.#options.interface}`);
    const until = performance.now() + quietWaitMs;
    for (;;) {
      const now = await this.#counters();
      if (now === undefined) return failed("missing", `there is no interface ${this.#options.interface}`);
      if (now.received > before.received) return passed;
      if (now.sendErrors > before.sendErrors) return failed("send-errors", `${now.sendErrors - before.sendErrors} errors in sending`);
      if (performance.now() >= until) return skipped("nothing came in, and nothing says that it could");
      await pause(pollMs);
    }
  }

  async #counters(): Promise<ReturnType<typeof interfaceCounters>> {
    return interfaceCounters(await readFile("/proc/net/dev", "utf8"), this.#options.interface);
  }

  /** A datagram to the gateway's discard port makes the kernel look for its address; whether it is found is the answer. */
  async #gateway(): Promise<Found> {
    const name = this.#options.interface;
    const gateway = defaultGateway(await readFile("/proc/net/route", "utf8"), name);
    if (gateway === undefined) return skipped(`there is no default route over ${name}`);
    const socket = createSocket("udp4");
    socket.on("error", () => undefined);
    try {
      socket.send(new Uint8Array(1), 9, gateway, () => undefined);
      const isKnown = await waitFor(
        quietWaitMs,
        async () => isNeighborKnown(await readFile("/proc/net/arp", "utf8"), gateway, name) || undefined,
      );
      return isKnown === true ? passed : failed("no-answer", `the gateway ${gateway} does not answer on ${name}`);
    } finally {
      socket.close();
    }
  }
}

/** What a check throws is what failed. */
async function timed(check: () => Found | Promise<Found>): Promise<CheckOutcome> {
  const startedAt = performance.now();
  let found: Found;
  try {
    found = await check();
  } catch (error) {
    found = failed((systemErrorCode(error) ?? "error").toLowerCase().slice(0, 16), systemErrorText(error));
  }
  return { ...found, ms: Math.round(performance.now() - startedAt) };
}

async function waitFor<Value>(ms: number, look: () => Value | undefined | Promise<Value | undefined>): Promise<Value | undefined> {
  const until = performance.now() + ms;
  for (;;) {
    const value = await look();
    if (value !== undefined || performance.now() >= until) return value;
    await pause(pollMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
