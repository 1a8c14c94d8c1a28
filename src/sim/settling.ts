/** How long a world may take to settle, and a card to see that another one is gone: from the patience of its cards and the speed of its lines. */
import { type CardId, chassisOf, type LinkKind, linkKinds } from "../base/ids.ts";
import {
  advertPeriodMs,
  duplicateGoneMs,
  serialAdvertBytesMax,
  serialAdvertLoadMax,
  serialBitsPerByte,
  serialHeartbeatBytesMax,
  serialHeartbeatLoadMax,
  staleGapMs,
} from "../limits.ts";
import type { Scene } from "./checker.ts";
import type { SimCard } from "./sim-card.ts";

/**
 * The time within which a world settles after its last fault, from the patience and the advert periods of its cards. Two cards in one slot
 * take longer to be forgotten, and so does a card from a restored store that may pass for two; `longest` reckons with either.
 */
export function settleMs(scene: Scene, longest = false): number {
  const mayPassForTwo = longest || scene.cards.some((card) => card.isTwin || card.repeatsIncarnation);
  let ms = 0;
  for (const card of scene.cards) {
    const cards = Math.max(2, onBusOf(scene, card.chassis).length);
    const advertMs = Math.max(
      advertPeriodMs,
      (cards * serialAdvertBytesMax * serialBitsPerByte * 1_000) / scene.options.baud / serialAdvertLoadMax,
    );
    for (const other of scene.cards) ms = Math.max(ms, 4 * advertMs + 2 * downWithinMs(scene, card, other.id));
  }
  return ms + 3_000 + (mayPassForTwo ? duplicateGoneMs + 2 * staleGapMs + ms : 0);
}

/** The silence after which a running card must see a peer down, with the time for what was still under way. */
export function downWithinMs(scene: Scene, observer: SimCard, peer: CardId): number {
  const slack = 1_000;
  const theirs = scene.cards.find((card) => card.id === peer) ?? observer;
  const shared: readonly LinkKind[] = chassisOf(peer) === chassisOf(observer.id) ? linkKinds : ["ether"];
  return slack + Math.max(...shared.map((link) => {
    const { periodMs, downAfterMs } = observer.settings[link];
    const slowest = Math.max(periodMs, theirs.settings[link].periodMs, link === "serial" ? serialFloorMs(scene, observer.chassis) : 0);
    return (downAfterMs * slowest) / periodMs;
  }));
}

function serialFloorMs(scene: Scene, chassis: number): number {
  const cards = Math.max(2, onBusOf(scene, chassis).length);
  return Math.ceil((cards * serialHeartbeatBytesMax * serialBitsPerByte * 1_000) / scene.options.baud / serialHeartbeatLoadMax);
}

function onBusOf(scene: Scene, chassis: number): SimCard[] {
  return scene.cards.filter((card) => card.chassis === chassis);
}
