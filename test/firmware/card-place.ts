/**
 * A card's program as a process of its own in this network namespace, and what it stands in: a directory with its
 * configuration and key, and the far ends of both its links.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { nativeDrivers } from "../../drivers/native.ts";
import type { LinkKind } from "../../src/base/ids.ts";
import { systemNumberOf } from "../../src/io/config.ts";
import { generateKeyFile } from "../../src/io/key-file.ts";
import { isRefusal } from "../../src/io/refusal.ts";
import type { CardStatus } from "../../src/node/status.ts";
import { Keyring } from "../../src/wire/auth.ts";
import { etherType, groupAddress } from "../../src/wire/ether.ts";
import { decodeFrame, isMalformed } from "../../src/wire/frame.ts";
import type { MessageKind } from "../../src/wire/message.ts";
import { SerialDecoder } from "../../src/wire/serial.ts";
import { runCommand } from "../conformance/namespace.ts";
import { makeVethPair } from "../conformance/veth.ts";

const system = "edge";
export const httpPort = 8421;

/** The program from its sources, on the runtime that the test is on. */
export const fromSources: readonly string[] = runCommand(fileURLToPath(new URL("../../firmware/main.ts", import.meta.url)));

export type LogLine = { readonly level: string; readonly event: string; readonly [field: string]: unknown };

/** Waits until something is there; fails, saying what, when that takes too long. */
export async function until<Found>(
  what: string,
  find: () => Found | undefined | false | Promise<Found | undefined | false>,
  withinMs = 15_000,
): Promise<Found> {
  const end = performance.now() + withinMs;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}

export type Exit = { readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string };

export class CardProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  #stdout = "";
  #stderr = "";
  #exit: Exit | undefined;

  constructor(command: readonly string[], cwd: string) {
    const child = spawn(command[0] as string, command.slice(1), {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.#stderr += text);
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve(this.#exit = { code, signal, stdout: this.#stdout, stderr: this.#stderr }));
    });
    this.pid = child.pid as number;
  }

  get lines(): LogLine[] {
    return this.#stderr.split("\n").slice(0, -1).map((line) => {
      try {
        return JSON.parse(line) as LogLine;
      } catch {
        throw new Error(`the card wrote what is no log line: ${line}`);
      }
    });
  }

  /** Waits for the next line of the log, from the one numbered `from` on, that fits. */
  async logged(what: string, fits: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    return await until(`${what}; the card wrote:\n${this.#stderr}`, () => {
      if (this.#exit !== undefined && !this.lines.slice(from).some(fits)) {
        throw new Error(`the card ended (${this.#exit.code ?? this.#exit.signal}) before ${what}; it wrote:\n${this.#stderr}`);
      }
      return this.lines.slice(from).find(fits);
    }).catch((error: Error) => {
      throw new Error(`${error.message}\nin the end:\n${this.#stderr}`);
    });
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Waits for an end that is to come by itself. */
  async ended(): Promise<Exit> {
    return await until("the card ends by itself", () => this.#exit);
  }

  /** Asks it to leave; gives its exit and how long that took. */
  async leave(): Promise<Exit & { readonly tookMs: number }> {
    const asked = performance.now();
    this.signal("SIGTERM");
    const exit = await until("the card leaves", () => this.#exit, 10_000);
    return { ...exit, tookMs: performance.now() - asked };
  }

  async end(): Promise<void> {
    if (this.#exit === undefined) this.signal("SIGKILL");
    await this.exited;
  }
}

export class CardPlace {
  readonly directory = mkdtempSync(join(tmpdir(), `cardinal-edge-${process.pid}-`));
  /** What came from the card on each link, oldest first. */
  readonly heard: Record<LinkKind, { readonly kind: MessageKind; readonly at: number }[]> = { ether: [], serial: [] };
  readonly #keyring: Keyring;
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #processes: CardProcess[] = [];

  constructor() {
    const keys = generateKeyFile(join(this.directory, "system.key"), { force: false, now: new Date() });
    if (isRefusal(keys)) throw new Error(keys.message);
    this.#keyring = new Keyring(keys.map(({ secret }) => secret));
    this.configure();
  }

  get tty(): string {
    return join(this.directory, "tty");
  }

  /** Writes card.json, with `changes` to what the other tests have in it. */
  configure(changes: Readonly<Record<string, unknown>> = {}): void {
    const config = {
      system,
      slot: 1,
      ether: { interface: "eth0" },
      serial: { device: this.tty },
      realtime: false,
      http: { port: httpPort },
      ...changes,
    };
    writeFileSync(join(this.directory, "card.json"), JSON.stringify(config));
  }

  start(program: readonly string[] = fromSources): CardProcess {
    return this.startAs([...program, "run", "--config", "card.json"]);
  }

  startAs(command: readonly string[]): CardProcess {
    const card = new CardProcess(command, this.directory);
    this.#processes.push(card);
    return card;
  }

  /** Makes the card's interface and listens at its other end. */
  async plugEther(): Promise<void> {
    await makeVethPair("eth0", "switch0");
    this.#ends.push(() => this.startAs(["ip", "link", "delete", "eth0"]).exited.then(() => {}));
    const port = await nativeDrivers().ether.open({ interface: "switch0", etherTypes: [etherType], groups: [groupAddress] }, (event) => {
      if (event.kind === "frames") { for (const { payload } of event.frames) this.#onFrame("ether", payload); }
    });
    this.#ends.push(() => port.close());
  }

  /** Gives the card a tty and listens at its other end. */
  async plugSerial(): Promise<void> {
    const decoder = new SerialDecoder();
    const pty = await nativeDrivers().pty.open((bytes) => {
      for (const item of decoder.push(bytes)) if (!("malformed" in item)) this.#onFrame("serial", item);
    });
    this.#ends.push(() => pty.close());
    symlinkSync(pty.path, this.tty);
  }

  #onFrame(link: LinkKind, bytes: Uint8Array): void {
    const frame = decodeFrame(link, this.#keyring, systemNumberOf(system), bytes);
    if (isMalformed(frame)) throw new Error(`the card sent what is no frame: ${frame.malformed}`);
    this.heard[link].push({ kind: frame.message.kind, at: performance.now() });
  }

  /** Waits for `count` more heartbeats on a link; gives the milliseconds that they took. */
  async beats(link: LinkKind, count: number, withinMs = 15_000): Promise<number> {
    const from = performance.now();
    const more = () => this.heard[link].filter(({ kind, at }) => kind === "heartbeat" && at > from);
    return await until(`${count} heartbeats on ${link}`, () => more().length >= count && more()[count - 1]!.at - from, withinMs);
  }

  /** Waits for the card's own word of its status. */
  async status(): Promise<CardStatus> {
    return await until("the card answers", async () => {
      try {
        const response = await fetch(`http://127.0.0.1:${httpPort}/v1/status`);
        const text = await response.text();
        return response.ok && JSON.parse(text) as CardStatus;
      } catch {
        return false;
      }
    });
  }

  async end(): Promise<void> {
    for (const card of this.#processes) await card.end();
    for (const end of this.#ends.reverse()) await end();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
