/**
 * Every bound of the program, with the relations between them asserted at load. Durations are milliseconds,
 * sizes are bytes, loads are shares of one.
 */
import { assert } from "./base/assert.ts";
import { slotCountMax } from "./base/ids.ts";

/** A heartbeat's bytes on the serial wire, delimiter included. */
export const serialHeartbeatBytesMax = 48;
/** One serial frame on the wire, delimiter included; what is larger is fragmented. */
export const serialFrameBytesMax = 256;
/** The share of the serial line that all heartbeats together may use, and the share left for adverts; the rest is for self-tests, membership and fencing. */
export const serialHeartbeatLoadMax = 0.4;
export const serialAdvertLoadMax = 0.1;
/** An advert's bytes on the serial wire with the echoes of a full chassis. */
export const serialAdvertBytesMax = 224;
/** Bits on the wire for a byte: start, eight data bits, stop. */
export const serialBitsPerByte = 10;

/** The Ethernet payload that a frame may fill: the standard MTU. */
export const etherFrameBytesMax = 1500;
/** The envelope and the tag of a fragment, at their largest. */
export const fragmentOverheadBytesMax = 64;
/** The largest message after reassembly. */
export const messageBytesMax = 64 * 1024;
/** Pieces of one message. */
export const fragmentCountMax = 512;
/** Messages under reassembly for one sender, and for all of a link together. */
export const reassemblyPerSenderMax = 4;
export const reassemblyMax = 32;
/** An unfinished message is given up after this. */
export const reassemblyMs = 2_000;

/** Sequence numbers behind the newest that are still accepted once. */
export const replayWindow = 64;
/** Above this a sequence number is not accepted: an exact integer in every runtime. */
export const sequenceMax = Number.MAX_SAFE_INTEGER;
export const incarnationMax = 0xffffffff;

/** Keys that a card accepts at the same time while the system's key is rotated. */
export const keysMax = 2;
export const keyBytes = 32;
export const serialTagBytes = 8;
export const etherTagBytes = 16;

/** Text in an advert, UTF-8. */
export const nameBytesMax = 32;
export const softwareBytesMax = 32;
export const uidBytes = 8;

/** Beats in a row after a silence before a link counts as up again. */
export const recoveringBeats = 2;
/** How late a tick must be before the time is taken off everybody's silence; below this it is the timer's grain. */
export const lateTickMs = 2;

/** The shortest gap between two adverts on Ethernet that are sent because something new was heard. */
export const advertGapMs = 100;
/** The period of the adverts on Ethernet while anybody is unverified, and once all are; on serial it is longer where the line's budget asks for it. */
export const advertPeriodMs = 1_000;
export const advertSteadyMs = 5_000;
/** Adverts sent early because a peer's incarnation was new, for each such incarnation and link. */
export const promptAdverts = 3;
/** An advert on the serial wire at its longest: what every card says, and what each echo adds. */
export const serialAdvertBytes = 132;
export const serialEchoBytes = 8;
/** Frames of a second card in the same slot, with growing sequence over at least this long, that prove a duplicate; and how long without one until it is gone. */
export const duplicateFrames = 5;
export const duplicateOverMs = 1_000;
export const duplicateGoneMs = 10_000;
/** The shortest gap between two answers that tell a card that its incarnation is too old. */
export const staleGapMs = 1_000;
/** The multiplexor says every second which slots have power; silent for this long it counts as unheard. */
export const multiplexorPeriodMs = 1_000;
export const multiplexorUnheardMs = 3_500;
/** LLDP: the period and the time to live that the standard recommends (IEEE 802.1AB, msgTxInterval and msgTxHold). */
export const lldpPeriodMs = 30_000;
export const lldpTtlS = 120;

/** Frames that wait between a driver's thread and the loop; the oldest is dropped and counted. */
export const receiveQueueMax = 1_024;
/** Log lines of one event in a second, after which they are counted and summed up. */
export const logPerSecondMax = 20;

assert(
  serialHeartbeatBytesMax <= serialAdvertBytesMax && serialAdvertBytesMax <= serialFrameBytesMax,
  "serial frames hold heartbeats and adverts",
);
assert(serialHeartbeatLoadMax + serialAdvertLoadMax <= 0.6, "the serial line keeps room for what is urgent");
assert(
  fragmentCountMax * (serialFrameBytesMax - fragmentOverheadBytesMax) >= messageBytesMax,
  "the largest message fits in serial fragments",
);
assert(reassemblyPerSenderMax <= reassemblyMax, "one sender cannot fill the reassembly");
assert(reassemblyMax * messageBytesMax <= 4 * 1024 * 1024, "reassembly stays under 4 MiB for a link");
assert(replayWindow <= 64, "the replay window is kept in two 32-bit words");
assert(serialAdvertBytes + slotCountMax * serialEchoBytes <= serialAdvertBytesMax, "an advert with a full chassis keeps within its bytes");
assert(multiplexorUnheardMs > 3 * multiplexorPeriodMs, "three lost power reports are no dead multiplexor");
assert(advertGapMs < advertPeriodMs, "a triggered advert comes sooner than the periodic one");
assert(advertPeriodMs < advertSteadyMs, "adverts come more often while somebody waits for them");
assert(lldpTtlS * 1_000 > 3 * lldpPeriodMs, "a neighbour survives three lost LLDP frames");
