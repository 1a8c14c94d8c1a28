/** A card's status as a page for people. Pure: `CardStatus` in, text out. */
import { type LinkKind, linkKinds } from "../base/ids.ts";
import type { CardHealth, CardStatus, LinkHealth, OwnLinkStatus, PeerStatus } from "../node/status.ts";
import { configurationLines, isConfigurationStatus } from "./configuration-text.ts";
import { isMembershipStatus, notificationTones, viewText } from "./members-text.ts";
import { fits, type Shape } from "./shape.ts";
import {
  type Cell,
  countsText,
  durationText,
  note,
  pageText,
  type Paint,
  paintOf,
  pairs,
  printable,
  table,
  type Tone,
} from "./text-layout.ts";

const linkNames: Readonly<Record<LinkKind, string>> = { ether: "Ethernet", serial: "serial" };

const linkWords: Readonly<Record<LinkHealth, Cell>> = {
  unheard: { text: "unheard", tone: "faint" },
  up: { text: "up", tone: "good" },
  oneWay: { text: "one-way", tone: "warning" },
  silent: { text: "silent", tone: "warning" },
  recovering: { text: "recovering", tone: "warning" },
  down: { text: "down", tone: "bad" },
};

const cardTones: Readonly<Record<CardHealth, Tone>> = {
  healthy: "good",
  degraded: "warning",
  suspect: "warning",
  down: "bad",
  left: "faint",
  absent: "bad",
};

/** The page, newline at its end, in `columns` columns. */
export function statusText(status: CardStatus, options: { readonly columns: number; readonly color: boolean }): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  const sections = [
    headOf(status, width, paint),
    alarmsOf(status, width, paint),
    configurationOf(status, width, paint),
    linksOf(status, width, paint),
    cardsOf(status, width, paint),
  ];
  return pageText(sections);
}

function headOf(status: CardStatus, width: number, paint: Paint): string[] {
  const { process: program, lateTicks } = status;
  const name = printable(status.name);
  const alarms = status.alarms.length === 0 ? "no alarms" : status.alarms.length === 1 ? "1 alarm" : `${status.alarms.length} alarms`;
  const place = `card ${status.card} of ${printable(status.system)}, chassis ${status.chassis} slot ${status.slot}`;
  const load = `${Math.round(program.residentBytes / 1_048_576)} MiB, ${percent(program.cpuShare)} of a core${
    program.realtime ? ", real-time" : ""
  }`;
  const view = viewOf(status);
  const late = `${lateTicks.count}, ${durationText(lateTicks.totalMs)} in all, the worst ${durationText(lateTicks.worstMs)}`;
  return [
    paint("heading", name),
    ...pairs(
      [
        ["Card", place],
        ["State", `${status.state}, ${alarms}`],
        ...(view === undefined ? [] : [view]),
        ["Running for", `${durationText(status.uptimeMs)}, since ${instantText(program.startedAt)}`],
        ["Version", `${printable(status.version)} on ${printable(program.runtime)}, process ${program.pid}`],
        ["Load", load],
        ["Profile", printable(status.profile)],
        ["Identity", `${printable(status.uid)}, incarnation ${status.incarnation}`],
        ...(lateTicks.count === 0 ? [] : [["Late ticks", late] as const]),
      ],
      width,
      paint,
    ),
  ];
}

/** Cards of earlier versions know no views. */
function viewOf(status: CardStatus): readonly ["View", string, Tone] | undefined {
  const membership: unknown = status.membership;
  return isMembershipStatus(membership) ? ["View", viewText(membership), notificationTones[membership.state]] : undefined;
}

/** A card without a store, and one of an earlier version, has none. */
function configurationOf(status: CardStatus, width: number, paint: Paint): string[] {
  const configuration: unknown = status.configuration;
  return isConfigurationStatus(configuration) ? configurationLines(configuration, width, paint) : [];
}

function linksOf(status: CardStatus, width: number, paint: Paint): string[] {
  const { ether, serial } = status.ports;
  const devices: Readonly<Record<LinkKind, string>> = {
    ether: `${printable(ether.interface)} ${printable(ether.mac)}`.trimEnd(),
    serial: `${printable(serial.device)} at ${serial.baud} baud`,
  };
  const rows = linkKinds.map((link): Cell[] => {
    const own = status.links[link];
    return [
      { text: linkNames[link] },
      { text: own.port, tone: own.port === "up" ? "good" : "bad" },
      { text: durationText(own.heartbeatPeriodMs) },
      { text: String(own.sent) },
      { text: String(own.accepted) },
      { text: String(droppedCount(own)) },
      { text: devices[link] },
    ];
  });
  const notes = linkKinds.flatMap((link) => linkNotes(link, status.links[link], status.ports[link].counters));
  return [
    paint("heading", "Links"),
    ...table(["LINK", "PORT", "HEARTBEAT", "SENT", "ACCEPTED", "DROPPED", "DEVICE"], rows, width, paint),
    ...notes.flatMap((text) => note(text, width)),
  ];
}

function droppedCount(own: OwnLinkStatus): number {
  return Object.values(own.dropped).reduce((sum, count) => sum + count, 0);
}

function linkNotes(link: LinkKind, own: OwnLinkStatus, counters: Readonly<Record<string, number>>): string[] {
  const name = linkNames[link];
  const notes: string[] = [];
  if (own.port === "down") notes.push(`${name}: the port is down${own.reason === undefined ? "" : `: ${printable(own.reason)}`}`);
  if (own.multiplexor === "heard") notes.push(`${name}: the multiplexor is heard`);
  if (own.multiplexor === "unheard") notes.push(`${name}: the multiplexor has not been heard lately`);
  const dropped = countsText(own.dropped);
  if (dropped !== "") notes.push(`${name}: frames dropped: ${dropped}`);
  const faults = countsText(
    Object.fromEntries(Object.entries(counters).filter(([counter]) => /error|dropped|overrun|break/i.test(counter))),
  );
  if (faults !== "") notes.push(`${name}: the driver counts ${faults}`);
  return notes;
}

function cardsOf(status: CardStatus, width: number, paint: Paint): string[] {
  const own: readonly [number, Cell[]] = [
    status.card,
    [
      { text: String(status.card) },
      { text: `${status.chassis}/${status.slot}` },
      { text: printable(status.name) },
      { text: "this card" },
      { text: "" },
      { text: "" },
      { text: "" },
    ],
  ];
  const rows = [own, ...status.peers.map((peer) => [peer.card, peerRow(peer)] as const)].sort(([a], [b]) => a - b).map(([, row]) => row);
  const notes = status.peers.flatMap(peerNotes);
  return [
    paint("heading", "Cards"),
    ...table(["CARD", "SLOT", "NAME", "HEALTH", "ETHERNET", "SERIAL", "VERIFIED"], rows, width, paint),
    ...notes.flatMap((text) => note(text, width)),
  ];
}

function peerRow(peer: PeerStatus): Cell[] {
  const link = (kind: LinkKind): Cell => {
    const { health, silentForMs } = peer.links[kind] ?? {};
    if (health === undefined) return { text: "-", tone: "faint" };
    const { text, tone = "plain" } = linkWords[health] ?? { text: printable(health) };
    return { text: silentForMs === undefined ? text : `${text} ${durationText(silentForMs)}`, tone };
  };
  return [
    { text: String(peer.card) },
    { text: `${peer.chassis}/${peer.slot}` },
    { text: printable(peer.name ?? "-") },
    { text: printable(peer.health), tone: cardTones[peer.health] ?? "plain" },
    link("ether"),
    link("serial"),
    peer.verified ? { text: "yes", tone: "good" } : { text: "no", tone: "warning" },
  ];
}

function peerNotes(peer: PeerStatus): string[] {
  const notes: string[] = [];
  for (const kind of linkKinds) {
    const link = peer.links[kind];
    if (link === undefined || link.health === "up") continue;
    const told = [
      link.reason === undefined ? undefined : printable(link.reason),
      link.silentForMs === undefined ? undefined : `last heard ${durationText(link.silentForMs)} ago`,
    ].filter((text) => text !== undefined);
    if (told.length > 0) {
      notes.push(`card ${peer.card}, ${linkNames[kind]} ${linkWords[link.health]?.text ?? printable(link.health)}: ${told.join("; ")}`);
    }
  }
  if (!peer.verified) notes.push(`card ${peer.card} is not verified: ${printable(peer.unverifiedBecause ?? "it was never heard")}`);
  return notes;
}

function alarmsOf(status: CardStatus, width: number, paint: Paint): string[] {
  if (status.alarms.length === 0) return [];
  const rows = status.alarms.map(({ code, text, forMs }): Cell[] => [
    { text: printable(code), tone: "bad" },
    { text: durationText(forMs) },
    { text: printable(text) },
  ]);
  return [paint("heading", "Alarms"), ...table(["ALARM", "FOR", "WHAT"], rows, width, paint)];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** "2026-03-01 10:11:12 UTC" from ISO 8601. */
function instantText(iso: string): string {
  return printable(iso).replace("T", " ").replace(/(\.\d+)?Z$/, " UTC");
}

const ownLink: Shape = { port: "string", sent: "number", accepted: "number", dropped: {}, heartbeatPeriodMs: "number" };

/** What the page cannot do without. The whole shape is in the HTTP schema; it is not loaded for a line of text. */
const shape: Shape = {
  card: "number",
  chassis: "number",
  slot: "number",
  name: "string",
  uid: "string",
  incarnation: "number",
  uptimeMs: "number",
  state: "string",
  links: { ether: ownLink, serial: ownLink },
  peers: [{ card: "number", chassis: "number", slot: "number", health: "string", verified: "boolean", links: {} }],
  alarms: [{ code: "string", text: "string", forMs: "number" }],
  lateTicks: { count: "number", totalMs: "number", worstMs: "number" },
  system: "string",
  version: "string",
  profile: "string",
  ports: {
    ether: { interface: "string", mac: "string", counters: {} },
    serial: { device: "string", baud: "number", counters: {} },
  },
  process: { pid: "number", runtime: "string", startedAt: "string", residentBytes: "number", cpuShare: "number", realtime: "boolean" },
};

/** Whether a card of whatever version said enough for the page. */
export function isCardStatus(value: unknown): value is CardStatus {
  return fits(value, shape);
}
