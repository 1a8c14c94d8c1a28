/**
 * What the card's edge asks of a driver. The native drivers and their simulated twins implement the same
 * interfaces, and one conformance suite (test/conformance) runs against both.
 *
 * Received bytes are always in a buffer of their own: a driver never writes to them again.
 */
import type { BindingInterface, BindingPortInterface, OpenOptions, PortInfo, UpdateOptions } from "@serialport/bindings-interface";
import type { BlockDriver } from "./block-ports.ts";

/** A hardware address, six bytes. */
export type Mac = Uint8Array;

export type EtherEvent =
  /** Frames of our EtherTypes, oldest first; `payload` is what follows the Ethernet header. */
  | { readonly kind: "frames"; readonly frames: readonly EtherFrame[] }
  /** The interface's carrier (and being administratively up) changed, or is told for the first time after opening. */
  | { readonly kind: "carrier"; readonly up: boolean }
  /** The interface is gone or the socket failed; the port is of no use any more and must be closed. */
  | { readonly kind: "failed"; readonly error: string };

export type EtherFrame = { readonly source: Mac; readonly etherType: number; readonly payload: Uint8Array };

export type EtherOptions = {
  readonly interface: string;
  /** The EtherTypes to receive. Our own frames, sent from this very interface, are not received. */
  readonly etherTypes: readonly number[];
  /** The multicast groups to join. */
  readonly groups: readonly Mac[];
};

/** Link counters of the interface and of the port; they only grow while the port is open. */
export type EtherCounters = {
  readonly receivedFrames: number;
  readonly receivedBytes: number;
  readonly sentFrames: number;
  readonly sentBytes: number;
  /** The kernel's count of frames that found the socket's buffer full, and the driver's of those that found its queue full. */
  readonly droppedFrames: number;
  readonly sendErrors: number;
};

/** One Ethernet interface, opened for our EtherTypes. */
export interface EtherPort {
  readonly mac: Mac;
  readonly mtu: number;
  /** Hands a frame to the interface; never blocks. False when it could not be taken (counted in `sendErrors`). */
  send(destination: Mac, etherType: number, payload: Uint8Array): boolean;
  counters(): EtherCounters;
  /** After it resolves no event comes any more. Closing twice is fine. */
  close(): Promise<void>;
}

export interface EtherDriver {
  /** Rejects with an `Error` whose message names the interface and what is wrong (no such interface, no permission). */
  open(options: EtherOptions, onEvent: (event: EtherEvent) => void): Promise<EtherPort>;
}

/** Line errors as the UART counts them (TIOCGICOUNT), zero where the tty has no such count. */
export type UartCounters = {
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly framingErrors: number;
  readonly parityErrors: number;
  readonly overruns: number;
  readonly breaks: number;
  /** Bytes that found the driver's bounded queue full. */
  readonly droppedBytes: number;
};

/**
 * A tty as `@serialport/stream` drives it, with what this product needs beyond: line counters, BREAKs received.
 * A disconnect rejects the pending read with an `Error` that has `disconnect: true`.
 */
export interface UartPort extends BindingPortInterface {
  counters(): UartCounters;
  /** Sends a BREAK of about `durationMs`. */
  sendBreak(durationMs: number): Promise<void>;
  /** Called for each BREAK received; the null byte that a BREAK also looks like is not delivered. */
  onBreak(listener: () => void): void;
}
export interface UartDriver extends BindingInterface<UartPort, OpenOptions, PortInfo> {
  open(options: OpenOptions): Promise<UartPort>;
}
export type { OpenOptions, PortInfo, UpdateOptions };

/** An address of an interface, with its prefix, as "192.0.2.7/24" or "2001:db8::7/64". */
export type InterfaceAddress = { readonly interface: string; readonly address: string };

export type LinkState = "up" | "down" | "gone";

export type NetEvent =
  /** Somebody else says that an address that was taken is at this hardware address; at most one a second for each address. */
  | { readonly kind: "rival"; readonly address: InterfaceAddress; readonly mac: string }
  /** An address that was taken has been removed, and not by `release`. */
  | { readonly kind: "lost"; readonly address: InterfaceAddress }
  /** Of an interface on which an address was taken. */
  | { readonly kind: "link"; readonly interface: string; readonly state: LinkState };

/** The addresses of this machine. What is asked is carried out in its order, beside the program's thread. */
export interface NetPort {
  /** All addresses, or those of one interface. */
  list(interfaceName?: string): Promise<InterfaceAddress[]>;
  /**
   * Adds an address, announces it so many times, and from then on tells of rivals; fine when it is there already. IPv6
   * addresses are added without duplicate address detection, so that they serve at once. Whoever already has the address
   * is asked for just before, and told as a rival when it answers: nothing waits for it. Gives the interface's state, and
   * the milliseconds that it took.
   */
  take(address: InterfaceAddress, announcements: number): Promise<{ readonly link: LinkState; readonly ms: number }>;
  /**
   * Removes an address, whatever its prefix is there, and proves that no interface has it; also when the interface is gone.
   * Gives whether it was there. Other addresses of its subnet stay.
   */
  release(address: InterfaceAddress): Promise<boolean>;
  /**
   * Tells the neighbours that the address is here: gratuitous ARP (request and reply, RFC 5227 section 3) for
   * IPv4, an unsolicited neighbour advertisement with the override flag (RFC 4861 section 7.2.6) for IPv6.
   */
  announce(address: InterfaceAddress, times?: number): Promise<void>;
  /** Up is with carrier. Rejects where there is no such interface. */
  link(interfaceName: string): Promise<LinkState>;
  /** The addresses stay. */
  close(): Promise<void>;
}

export interface NetDriver {
  open(onEvent: (event: NetEvent) => void): Promise<NetPort>;
}

export type ChildOrder = {
  /** An absolute path. */
  readonly program: string;
  /** What follows the program's name. */
  readonly arguments: readonly string[];
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The name of the group that its processes are in, a file's name; where there are cgroups. */
  readonly group: string;
  /** After it the program is ended, with all that it started: SIGTERM, and a little later SIGKILL. */
  readonly deadlineMs: number;
  /** Whether what it leaves running when it ends by itself stays. */
  readonly remains: boolean;
  /** What is kept of its output, from the end; some lines when not said, 60 KiB at most. */
  readonly outputBytesMax?: number;
  /** Ends it earlier. */
  readonly signal?: AbortSignal;
};

export type ChildEnding =
  & (
    | { readonly kind: "exited"; readonly code: number }
    | { readonly kind: "signalled"; readonly signal: string }
    | { readonly kind: "timeout" }
    /** By the order's `signal`, or because the port was closed. */
    | { readonly kind: "killed" }
    /** The name of the error: "ENOENT". */
    | { readonly kind: "unstarted"; readonly error: string }
  )
  & {
    /** The end of what it wrote, output and errors as they came. */
    readonly output: string;
    /** Processes of it that SIGKILL did not end within a second. */
    readonly left: number;
    readonly ms: number;
  };

export type MountUser = { readonly pid: number; readonly name: string };

export type ChildOptions = {
  /** An existing directory of a cgroup v2 hierarchy, for the groups; empty where there is none. */
  readonly groups: string;
  /** Tells the children of this port from those of others, in their environment. */
  readonly mark: string;
  /** The last process of a group in which something remained has ended. */
  readonly onEmptied: (group: string) => void;
};

/** Programs, run beside the program's thread: normal scheduling, sessions and groups of their own, nothing inherited. */
export interface ChildPort {
  /** Resolves when it has ended, and all that belongs to it unless that remains. Rejects only when too many are asked for. */
  run(order: ChildOrder): Promise<ChildEnding>;
  /** Ends all that is in a group; gives how many processes that were, and how many of them SIGKILL did not end. */
  sweep(group: string): Promise<{ readonly found: number; readonly left: number }>;
  /** Tells when the last process of a group ends, where the group has any; groups in which something remained are watched anyhow. */
  watch(group: string): void;
  /** Who uses a mount, by its id of /proc/self/mountinfo; each is sent the signal. Neither this process nor process 1. */
  users(mount: number, mountPoint: string, signal?: "SIGTERM" | "SIGKILL"): Promise<MountUser[]>;
  /** Kills what runs; what remained stays. */
  close(): Promise<void>;
}

export interface ChildDriver {
  open(options: ChildOptions): Promise<ChildPort>;
}

/** A device node that is held open, by a thread of its own: a device that has died holds nothing else up. */
export interface DevicePort {
  /** Rejects with an `Error` that says what is wrong: gone, another device, no answer. May never settle. */
  probe(): Promise<void>;
  /** Resolves when the node is closed. May never settle. */
  release(): Promise<void>;
  /** Gives it up, also where it does not answer; what is waited for is rejected. */
  close(): Promise<void>;
}

export interface DeviceDriver {
  /**
   * Opens the node at a path without symbolic links. `exclusive`: nobody else on this machine has it. Rejects with an
   * `Error` that says what is wrong; may never settle without the signal.
   */
  open(path: string, options: { readonly exclusive: boolean; readonly signal?: AbortSignal }): Promise<DevicePort>;
}

export interface Watchdog {
  /** The time-out in force, which the device may have rounded. */
  readonly timeoutS: number;
  feed(): void;
  /** Magic close: the device is told to stop before it is closed. Without it, closing leaves it running. */
  close(options: { readonly disarm: boolean }): void;
}
export interface WatchdogDriver {
  /** `path` is a watchdog device, or a plain file, which then records each write. Throws an `Error` that names the path. */
  open(path: string, timeoutS: number): Watchdog;
}

export interface RealtimeDriver {
  /** Puts every thread of this process under SCHED_FIFO with `priority` 2 to 99, the calling one, which may spin for the others, one below (drivers' threads opened later follow). Throws an `Error` that says which permission is missing. */
  enter(priority: number): void;
  /** Locks the program's code and stack in memory; the runtime's own heap stays as it is, for it gives pages back. Throws likewise. */
  lockMemory(): void;
}

/** A pseudo terminal's controlling side, for the virtual multiplexor and for tests. */
export interface PtyPort {
  /** The path of the side that a program opens as its tty. */
  readonly path: string;
  /** Writes what fits at once and returns how many bytes that were; the rest found the reader's buffer full. */
  write(bytes: Uint8Array): number;
  close(): Promise<void>;
}
export interface PtyDriver {
  /** The slave side is kept open and raw inside the driver, so that readers may come and go. */
  open(onBytes: (bytes: Uint8Array) => void): Promise<PtyPort>;
}

/** What the door tells, in the order in which it came about. */
export type DoorEvents = {
  /** `address` is the peer's, empty for a Unix socket. */
  accepted(connection: number, listener: number, address: string): void;
  /** What was asked for with `more`; the bytes are the receiver's. */
  bytes(connection: number, bytes: Uint8Array): void;
  sent(connection: number): void;
  /** The descriptor of the connection is the receiver's: to be handed to another driver, or to be discarded. */
  released(connection: number, descriptor: number): void;
  /** The peer has ended it; with an error, which says how, it failed. */
  gone(connection: number, error: string | undefined): void;
  /** There are too many connections, or descriptors, for this listener to take more. */
  deaf(listener: number): void;
};

/** What follows once an answer is sent: nothing, one `bytes`, the end of the connection, or its release. */
export type DoorThen = "nothing" | "more" | "end" | "release";

/** Where hosts come in; drivers/door/door.h tells how it works. */
export interface DoorPort {
  /** An address and a port (0: whichever is free), or the path of a Unix socket. Returns the port; throws when it is taken. */
  listen(listener: number, at: { readonly host: string; readonly port: number } | { readonly path: string }): number;
  unlisten(listener: number): void;
  /** False when the connection is gone, of which `gone` tells. Throws when too much waits for it. */
  answer(connection: number, bytes: Uint8Array, then: DoorThen): boolean;
  /** A connection of which the receiver of `descriptor` is the peer. */
  pair(): { readonly connection: number; readonly descriptor: number };
  /**
   * A connection to an address and a port. It is there when the first bytes are `sent` to it or heard from it; or it is `gone`. Until
   * then it cannot be released. Throws where there is no way to it.
   */
  connect(host: string, port: number): number;
  discard(descriptor: number): void;
  close(): Promise<void>;
}
export interface DoorDriver {
  open(connectionsMax: number, events: DoorEvents): DoorPort;
}

export type Drivers = {
  readonly ether: EtherDriver;
  readonly uart: UartDriver;
  readonly net: NetDriver;
  readonly watchdog: WatchdogDriver;
  readonly realtime: RealtimeDriver;
  readonly pty: PtyDriver;
};

/** What resources are carried out with, on a real machine alone. */
export type ResourceDrivers = {
  readonly net: NetDriver;
  readonly child: ChildDriver;
  readonly device: DeviceDriver;
};

/** What storage is served with, on a real machine alone. */
export type StorageDrivers = {
  readonly block: BlockDriver;
  readonly door: DoorDriver;
};
