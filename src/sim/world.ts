/**
 * A world: 2 to 64 cards in 1 to 8 chassis, one Ethernet switch, a serial bus with a multiplexor for each chassis,
 * and everything that can happen to them, under one scheduler ordered by (time, insertion). The cards run the very
 * code of a real card; the world is their drivers, their cables and their bad days.
 *
 *     Node.step ──► send ──► encode ──► switch | bus ──► (later) ──► decode, once for all ──► Node.step
 *                                           │
 *                                         faults, from the seed
 *
 * Invariants: whatever happens follows from the options, so a seed replays byte for byte; the checkers see every
 * step of every card after it was made; a card's clock never goes back.
 */
import { assert } from "../base/assert.ts";
import { type Address, cardAt, type CardId, chassisOf, everybody, type LinkKind, linkKinds, multiplexor, slotCountMax, slotOf } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { keyBytes, serialBitsPerByte, serialHeartbeatBytesMax, serialHeartbeatLoadMax, uidBytes } from "../limits.ts";
import type { Effect } from "../node/effect.ts";
import type { Input } from "../node/input.ts";
import { Node } from "../node/node.ts";
import type { NodeSettings, NodeStatus } from "../node/status-and-settings.ts";
import { Keyring } from "../wire/auth.ts";
import { encodeFrame } from "../wire/frame.ts";
import type { Message } from "../wire/message.ts";
import { encodeSerial } from "../wire/serial.ts";
import { Bus } from "./bus.ts";
import { Checkers, type Violation } from "./checkers.ts";
import { Clock } from "./clock.ts";
import { EventQueue } from "./event-queue.ts";
import { History } from "./history.ts";
import type { LineDirection } from "./multiplexor.ts";
import { calmNoise, Noise, type NoiseRates } from "./noise.ts";
import { type ProfileName, profiles } from "./profiles.ts";
import { Reader } from "./reader.ts";
import { isLate, keepWaiting, type Run, SimCard, type StartProgram, type WakeOrder } from "./sim-card.ts";
import { type Port, Switch } from "./switch.ts";
