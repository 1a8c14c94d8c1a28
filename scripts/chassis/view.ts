/** What people see of a chassis: tables, and the live picture. Pure: from a status to lines of text. */
import type { PeerStatus } from "../../src/node/status.ts";
import { type LinkKind, linkKinds } from "../../src/base/ids.ts";
import type { ChassisStatus, SlotStatus } from "./status.ts";

/** Rows as columns, each as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, index) => widths[index] = Math.max(widths[index] ?? 0, cell.length));
  return rows.map((row) => row.map((cell, index) => cell.padEnd(widths[index] as number)).join("  ").trimEnd());
}

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** The links that two cards share: the serial bus ends at the chassis. */
function sharedLinks(card: SlotStatus, peer: PeerStatus): readonly LinkKind[] {
  return peer.chassis === card.chassis ? linkKinds : ["ether"];
}

/** Whether a card has verified a peer and every link that they share is up. */
export function isWellConnected(card: SlotStatus, peer: PeerStatus): boolean {
  return peer.verified && sharedLinks(card, peer).every((link) => peer.links[link]?.health === "up");
}

/** Whether every card answers, has verified every other card, and every link between them is up. */
export function allVerified({ cards }: ChassisStatus): boolean {
  return cards.every((card) => {
    const well = card.status?.peers.filter((peer) => isWellConnected(card, peer)) ?? [];
    return card.status !== undefined && well.length === cards.length - 1;
  });
}

function peerText(card: SlotStatus, peer: PeerStatus, link: LinkKind): string {
  if (!sharedLinks(card, peer).includes(link)) return "-";
  return peer.links[link]?.health ?? "unheard";
}

function peerName(peer: PeerStatus): string {
  return `${peer.chassis}/${peer.slot}`;
}

/** The peers with troubles that are told one by one. */
const troubledMax = 3;

/** A card's peers in a few words: how many are well, and which are not. */
export function peersText(card: SlotStatus): string {
  const { status } = card;
  if (status === undefined) {
    return card.program === "running" ? `does not answer${card.silentBecause === undefined ? "" : `: ${card.silentBecause}`}` : "";
  }
  const troubled = status.peers.filter((peer) => !isWellConnected(card, peer));
  const well = status.peers.length - troubled.length;
  const words = troubled.map((peer) => {
    const links = sharedLinks(card, peer).map((link) => [link, peer.links[link]?.health ?? "unheard"] as const).filter(([, health]) =>
      health !== "up"
    );
    const details = [...(peer.verified ? [] : ["not verified"]), ...links.map(([link, health]) => `${link} ${health}`)];
    return `${peerName(peer)} ${peer.health}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
  });
  const more = words.length - troubledMax;
  return [`${well} well`, ...words.slice(0, troubledMax), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

/** The cards that others say are not healthy, and who says so, would be a page; this is the worst that is said of one. */
export function healthOf(card: SlotStatus, all: readonly SlotStatus[]): string {
  if (card.power === "off") return "no power";
  if (card.program !== "running") return card.program;
  const order = ["healthy", "degraded", "suspect", "absent", "left", "down"];
  let worst = -1;
  for (const other of all) {
    if (other === card) continue;
    const said = other.status?.peers.find((peer) => peerName(peer) === card.card)?.health;
    if (said !== undefined) worst = Math.max(worst, order.indexOf(said));
  }
  return order[worst] ?? "alone";
}

export function statusLines(status: ChassisStatus): string[] {
  const { settings } = status;
  const kind = `${settings.chassis === 1 ? "" : `${settings.chassis} chassis of `}${settings.cards} cards`;
  const mux = status.multiplexors.map(({ chassis, pid, alive, dead, realtime }) =>
    `multiplexor ${chassis}: ${!alive ? "ended" : dead ? "dead (cut mux)" : `pid ${pid}${realtime ? ", real-time" : ""}`}`
  );
  const rows = status.cards.map((card) => [
    card.card,
    card.power,
    card.program,
    String(card.pid ?? "-"),
    card.status === undefined ? "-" : duration(card.status.uptimeMs),
    String(card.starts),
    card.address,
    card.line === undefined ? "-" : `${card.line.framesIn}/${card.line.framesOut}/${card.line.dropped}`,
    [...card.cuts, ...(card.corruptRate > 0 ? [`serial corrupt ${card.corruptRate}`] : [])].join(", ") || "-",
    peersText(card),
  ]);
  return [
    `${status.name}: ${kind}, ${settings.baud} baud, profile ${settings.profile}, on ${settings.runtime}, up ${duration(status.upForMs)}`,
    `hosts at ${status.hostAddress} in ${status.hostNamespace}; ${mux.join("; ")}; files in ${status.directory}`,
    "",
    ...table([["card", "power", "program", "pid", "uptime", "starts", "address", "serial in/out/dropped", "faults", "peers"], ...rows]),
  ];
}

export function verifiedText(cards: number, afterMs: number | undefined): string {
  return afterMs === undefined
    ? "looking for each other"
    : `${cards} cards verified each other on both links after ${(afterMs / 1_000).toFixed(1)} s`;
}

/** The live picture, at most `rowsMax` lines high: one row for each pair of cards, or for each card where that is too high. */
export function liveLines(status: ChassisStatus, verifiedAfterMs: number | undefined, rowsMax: number): string[] {
  const { cards } = status;
  const head = [
    `Cardinal: ${cards.length} cards in ${status.name}, running for ${duration(status.cardsForMs)}`,
    verifiedText(cards.length, verifiedAfterMs),
    "",
  ];
  const pairs = cards.flatMap((card) => {
    const peers = card.status?.peers ?? [];
    const own = [card.card, healthOf(card, cards), card.status === undefined ? "-" : duration(card.status.uptimeMs), card.address];
    if (peers.length === 0) return [[...own, peersText(card) || "-", "", "", "", ""]];
    return peers.map((peer, index) => [
      ...(index === 0 ? own : ["", "", "", ""]),
      peerName(peer),
      peer.health,
      peer.verified ? "yes" : "no",
      peerText(card, peer, "serial"),
      peerText(card, peer, "ether"),
    ]);
  });
  const pairTable = table([["card", "health", "uptime", "address", "peer", "is", "verified", "serial", "ethernet"], ...pairs]);
  if (head.length + pairTable.length <= rowsMax) return [...head, ...pairTable];
  const rows = cards.map((card) => [
    card.card,
    healthOf(card, cards),
    card.status === undefined ? "-" : duration(card.status.uptimeMs),
    card.address,
    peersText(card),
  ]);
  return [...head, ...table([["card", "health", "uptime", "address", "peers"], ...rows])];
}

/** What each card says now, one line per card and peer, by a key that stays: what is new against an earlier one has changed. */
export function changeLines(status: ChassisStatus): Map<string, string> {
  const lines = new Map<string, string>();
  for (const card of status.cards) {
    lines.set(card.card, `${card.card} ${card.power === "off" ? "has no power" : card.program}`);
    for (const peer of card.status?.peers ?? []) {
      const links = sharedLinks(card, peer).map((link) => `${link} ${peerText(card, peer, link)}`).join(", ");
      lines.set(
        `${card.card}>${peerName(peer)}`,
        `${card.card} sees ${peerName(peer)}: ${peer.health}, ${peer.verified ? "verified" : "not verified"}, ${links}`,
      );
    }
  }
  return lines;
}
