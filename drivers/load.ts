/**
 * Finds the native addon and loads it.
 *
 * From sources it is build/addon.node beside this folder. In the single executable it is the asset `addon.node`:
 * the loader of shared objects wants a file, so the asset goes into an unnamed one (O_TMPFILE) that nobody else can
 * open or replace and that is gone with the process. Which directories allow that depends on the machine: /tmp
 * may be read-only or forbid execution, so several are tried.
 */
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

declare const port: unique symbol;
/** An open handle of the addon. */
export type NativePort = { readonly [port]: true };

/** What the addon exports: addon.c and the bindings named *-js.c. */
export type Addon = {
  etherOpen(
    interfaceName: string,
    etherTypes: readonly number[],
    groups: readonly Uint8Array[],
    queueFrames: number,
    ready: () => void,
  ): { readonly port: NativePort; readonly mac: Uint8Array; readonly mtu: number };
  etherTake(port: NativePort, into: Uint8Array): number;
  etherSend(port: NativePort, destination: Uint8Array, etherType: number, payload: Uint8Array): boolean;
  etherCount(port: NativePort): {
    receivedFrames: number;
    receivedBytes: number;
    sentFrames: number;
    sentBytes: number;
    droppedFrames: number;
    sendErrors: number;
  };
  etherClose(port: NativePort): Promise<void>;

  uartOpen(
    path: string,
    baud: number,
    dataBits: number,
    stopBits: number,
    parity: string,
    flags: number,
    queueBytes: number,
    ready: () => void,
  ): NativePort;
  uartTake(port: NativePort, into: Uint8Array, want: number): number;
  uartWrite(port: NativePort, bytes: Uint8Array): boolean;
  uartDrain(port: NativePort): boolean;
  uartFlush(port: NativePort): void;
  uartSetLines(port: NativePort, mask: number, lines: number): void;
  uartGetLines(port: NativePort): number;
  uartSetBaud(port: NativePort, baud: number): void;
  uartGetBaud(port: NativePort): number;
  uartCount(port: NativePort): {
    receivedBytes: number;
    sentBytes: number;
    framingErrors: number;
    parityErrors: number;
    overruns: number;
    breaks: number;
    droppedBytes: number;
  };
  uartClose(port: NativePort): Promise<void>;

  ptyOpen(queueBytes: number, ready: () => void): { readonly port: NativePort; readonly path: string };
  ptyTake(port: NativePort, into: Uint8Array): number;
  ptyWrite(port: NativePort, bytes: Uint8Array): number;
  ptyClose(port: NativePort): Promise<void>;

  netOpen(ready: () => void): NativePort;
  netRequest(port: NativePort, id: number, kind: number, interfaceName: string, host: string, prefix: number, announcements: number): void;
  netTake(port: NativePort, into: Uint8Array): number;
  netClose(port: NativePort): Promise<void>;

  childOpen(groups: string, ready: () => void): NativePort;
  childStart(
    port: NativePort,
    id: number,
    program: string,
    arguments_: Uint8Array,
    environment: Uint8Array,
    group: string,
    mark: string,
    deadlineMs: number,
    graceMs: number,
    outputBytes: number,
    remains: boolean,
  ): void;
  childKill(port: NativePort, id: number): void;
  childWatch(port: NativePort, group: string): void;
  childTake(port: NativePort, into: Uint8Array): number;
  childClose(port: NativePort): Promise<void>;
  mountUsers(mount: number, mountPoint: string, signal: number): Promise<string>;

  deviceOpen(path: string, exclusive: boolean, ready: () => void): NativePort;
  deviceAsk(port: NativePort, kind: number): void;
  deviceTake(port: NativePort, into: Uint8Array): number;
  deviceClose(port: NativePort): Promise<void>;

  doorOpen(connectionsMax: number, ready: () => void): NativePort;
  doorListen(port: NativePort, listener: number, host: string, tcpPort: number, path: string): number;
  doorUnlisten(port: NativePort, listener: number): void;
  doorAnswer(port: NativePort, connection: number, bytes: Uint8Array, then: number): boolean;
  doorClaim(port: NativePort, connection: number): number;
  doorPair(port: NativePort): { readonly connection: number; readonly descriptor: number };
  doorConnect(port: NativePort, host: string, tcpPort: number): number;
  doorDiscard(descriptor: number): void;
  doorTake(port: NativePort, into: Uint8Array): number;
  doorClose(port: NativePort): Promise<void>;

  blockOpen(reactors: number, poolBytesMax: number, faults: boolean, ready: () => void): NativePort;
  blockOrder(port: NativePort, id: number, kind: number, device: number, bytes: Uint8Array): void;
  blockTake(port: NativePort, into: Uint8Array): number;
  blockClose(port: NativePort): Promise<void>;

  watchdogOpen(path: string, timeoutS: number): { readonly port: NativePort; readonly timeoutS: number };
  watchdogFeed(port: NativePort): void;
  watchdogClose(port: NativePort, disarm: boolean): void;

  realtimeEnter(priority: number): void;
  realtimeLockMemory(): void;
};

type Sea = { isSea(): boolean; getAsset(name: string): ArrayBuffer };

/** `O_TMPFILE` of x86-64 and arm64: the bit of its own and O_DIRECTORY, which differs between the two. */
const unnamedFile = 0o20000000 | constants.O_DIRECTORY;

/** The single executable's own resources, where there are such. */
function executableAssets(): Sea | undefined {
  const sea = (process as { getBuiltinModule?: (name: string) => unknown }).getBuiltinModule?.("node:sea") as Sea | undefined;
  return sea?.isSea() === true ? sea : undefined;
}

function openAddon(path: string): Addon {
  const loaded = { exports: {} };
  process.dlopen(loaded, path);
  return loaded.exports as Addon;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}

/** Loads from a file without a name in `directory`. */
function loadUnnamed(directory: string, bytes: Uint8Array): Addon {
  const file = openSync(directory, constants.O_RDWR | unnamedFile, 0o700);
  try {
    writeAll(file, bytes);
    return openAddon(`/proc/self/fd/${file}`);
  } finally {
    closeSync(file);
  }
}

/**
 * Loads from a file in a private directory, for file systems without O_TMPFILE; both are gone when it returns.
 * Exported for its test.
 */
export function loadNamed(directory: string, bytes: Uint8Array): Addon {
  const privateDirectory = mkdtempSync(join(directory, ".cardinal-"));
  try {
    const path = join(privateDirectory, "addon.node");
    const file = openSync(path, "wx", 0o700);
    try {
      writeAll(file, bytes);
    } finally {
      closeSync(file);
    }
    return openAddon(path);
  } finally {
    rmSync(privateDirectory, { recursive: true, force: true });
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Loads the addon's bytes through the first directory that allows it. Exported for its test. */
export function loadFromBytes(bytes: Uint8Array, directories: readonly string[]): Addon {
  const failures: string[] = [];
  for (const directory of directories) {
    for (const load of [loadUnnamed, loadNamed]) {
      try {
        return load(directory, bytes);
      } catch (error) {
        failures.push(`  ${directory} (${load === loadUnnamed ? "unnamed" : "temporary"} file): ${reasonOf(error)}`);
      }
    }
  }
  throw new Error(
    `the native addon cannot be loaded: it needs one directory that can be written and that is not mounted noexec. Tried:\n${
      failures.join("\n")
    }`,
  );
}

/** The tests name another build of the addon, with sanitizers, in CARDINAL_ADDON. */
function loadFromSources(): Addon {
  const path = process.env["CARDINAL_ADDON"] ?? fileURLToPath(new URL("../build/addon.node", import.meta.url));
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    throw new Error(`the native addon ${path} cannot be loaded; run \`npm run build:addon\` to build it (${reasonOf(error)})`);
  }
}

let addon: Addon | undefined;

/** The addon, loaded once. `stateDirectory` is a further place where the single executable may put it. */
export function loadAddon(stateDirectory?: string): Addon {
  if (addon !== undefined) return addon;
  const assets = executableAssets();
  if (assets === undefined) {
    addon = loadFromSources();
  } else {
    const directories = ["/dev/shm", "/run", ...(stateDirectory === undefined ? [] : [stateDirectory]), dirname(process.execPath), "/tmp"];
    addon = loadFromBytes(new Uint8Array(assets.getAsset("addon.node")), directories);
  }
  return addon;
}
