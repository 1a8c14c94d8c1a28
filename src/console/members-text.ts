/** A card's membership as a page for people: the view, who is absent, who hears whom, what led here. Pure. */
import { type CardId, cardName, chassisOf, type LinkKind, linkKinds } from "../base/ids.ts";
import type { MembershipStatus } from "../node/status.ts";
import type { PageOptions } from "./card-page.ts";
import { fits, type Shape } from "./shape.ts";
import {
  cardsText,
  type Cell,
  durationText,
  note,
  numbersText,
  pageText,
  type Paint,
  paintOf,
  pairs,
  printable,
  table,
  type Tone,
} from "./text-layout.ts";

export const notificationTones: Readonly<Record<MembershipStatus["state"], Tone>> = {
  confirmed: "good",
  unconfirmed: "warning",
  tentative: "warning",
};

/** What proves that a card has stopped, for people. */
const receiptTexts: Readonly<Record<string, string>> = {
  left: "it said goodbye",
  power: "the multiplexor says that its slot has no power",
  reset: "it was reset, and the multiplexor acknowledged",
  failing: "it announced that it resets itself",
  restarted: "a later incarnation of it was heard",
};

/** The page, newline at its end, in `columns` columns. */
export function membersText(membership: MembershipStatus, options: PageOptions): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  const sections = [
    headOf(membership, width, paint),
    absentOf(membership, width, paint),
    membersOf(membership, width, paint),
    ticksOf(membership, width, paint),
    historyOf(membership, width, paint),
  ];
  return pageText(sections);
}

/** The view in one line: "17 CONFIRMED, 3 of 5 cards: more than half". */
export function viewText({ state, reason, view, quorum }: MembershipStatus): string {
  const number = view === undefined ? "none yet" : String(view.number);
  const why = state === "tentative" && reason !== undefined ? reason : quorum.text;
  return `${number}, ${state.toUpperCase()}: ${printable(why)}`;
}

function headOf(membership: MembershipStatus, width: number, paint: Paint): string[] {
  const { state, view, electorate, quorum, ticks: [own] } = membership;
  const ether = view?.members.filter((member) => member.ether).map(({ card }) => card) ?? [];
  const entries: (readonly [string, string, Tone?])[] = [["Notification", notificationText(membership), notificationTones[state]]];
  if (view !== undefined) entries.push(["Coordinator", cardsText([view.coordinator])]);
  entries.push(["Quorum", printable(quorum.text), quorum.held ? "plain" : "bad"], ["Electorate", cardsText(electorate)]);
  if (view !== undefined) {
    entries.push(
      ether.length > 0
        ? ["Messages", `ordered among ${cardsText(ether)}`]
        : ["Messages", "stopped: too few members hear each other on Ethernet", "bad"],
    );
  }
  if (own !== undefined) entries.push(["Seen by", cardsText([own.card])]);
  const title = view === undefined ? "No view yet" : `View ${view.number}${state === "tentative" ? ", the last that held" : ""}`;
  return [paint("heading", title), ...pairs(entries, width, paint)];
}

function notificationText({ state, reason, view }: MembershipStatus): string {
  switch (state) {
    case "tentative":
      return `TENTATIVE, nothing new is started: ${printable(reason ?? "no reason given")}`;
    case "unconfirmed": {
      const unknown = view?.absent.filter((absent) => absent.state === "unknown").map(({ card }) => card) ?? [];
      return `UNCONFIRMED: no proof that ${cardsText(unknown)} stopped`;
    }
    case "confirmed":
      return (view?.absent.length ?? 0) === 0 ? "CONFIRMED: nobody is absent" : "CONFIRMED: every absent card is down, with a receipt";
    default:
      // Of a later version.
      return printable(String(state)).toUpperCase();
  }
}

function membersOf({ view }: MembershipStatus, width: number, paint: Paint): string[] {
  if (view === undefined) return [];
  const rows = view.members.map(({ card, incarnation, previous, ether }): Cell[] => [
    { text: String(card) },
    { text: cardName(card) },
    { text: String(incarnation) },
    { text: previous === 0 ? "just started" : String(previous) },
    ether ? { text: "yes" } : { text: "no", tone: "warning" },
  ]);
  return [paint("heading", "Members"), ...table(["CARD", "SLOT", "INCARNATION", "VIEW BEFORE", "ORDERS MESSAGES"], rows, width, paint)];
}

function absentOf({ view }: MembershipStatus, width: number, paint: Paint): string[] {
  if (view === undefined || view.absent.length === 0) return [];
  const rows = view.absent.map(({ card, state, receipt }): Cell[] => {
    const down = state === "down";
    const why = down
      ? receiptTexts[receipt ?? ""] ?? printable(receipt ?? "another card has its receipt")
      : "no proof that it stopped: what it serves stays where it is";
    return [
      { text: String(card) },
      { text: cardName(card) },
      { text: down ? `DOWN${receipt === undefined ? "" : ` (${printable(receipt)})`}` : "UNKNOWN", tone: down ? "bad" : "warning" },
      { text: why },
    ];
  });
  return [paint("heading", "Absent"), ...table(["CARD", "SLOT", "STATE", "WHY"], rows, width, paint)];
}

/** Who hears whom, as far as it is known: a row that its card did not say lately tells nothing of one-way pairs. */
class Ticks {
  /** The cards that there is anything to say about, lowest first. */
  readonly cards: readonly CardId[];
  readonly #own: CardId | undefined;
  readonly #rows: ReadonlyMap<CardId, Readonly<Record<LinkKind, ReadonlySet<CardId>>>>;

  constructor({ ticks, electorate }: MembershipStatus) {
    this.#own = ticks[0]?.card;
    this.#rows = new Map(ticks.map(({ card, ether, serial }) => [card, { ether: new Set(ether), serial: new Set(serial) }]));
    this.cards = [...new Set([...electorate, ...ticks.flatMap(({ card, ether, serial }) => [card, ...ether, ...serial])])].sort((a, b) =>
      a - b
    );
  }

  /** `undefined` when the listener has never said it. */
  hears(listener: CardId, card: CardId, link: LinkKind): boolean | undefined {
    return this.#rows.get(listener)?.[link].has(card);
  }

  /** The row of a card that we do not hear is its last word. */
  isFresh(card: CardId): boolean {
    const own = this.#own === undefined ? undefined : this.#rows.get(this.#own);
    return this.#rows.has(card) && (card === this.#own || linkKinds.some((link) => own?.[link].has(card) === true));
  }

  hasRow(card: CardId): boolean {
    return this.#rows.has(card);
  }

  /** Exactly one of the two hears the other now. */
  isOneWay(one: CardId, other: CardId, link: LinkKind): boolean {
    return this.isFresh(one) && this.isFresh(other) && this.hears(one, other, link) !== this.hears(other, one, link);
  }
}

/** Wide enough for the letters and marks of both links. */
const tickColumns = 4;

function ticksOf(membership: MembershipStatus, width: number, paint: Paint): string[] {
  const ticks = new Ticks(membership);
  if (ticks.cards.length === 0) return [];
  const stale = ticks.cards.filter((card) => ticks.hasRow(card) && !ticks.isFresh(card));
  const notes = [
    ...linkKinds.flatMap((link) => oneWayNotes(ticks, link)),
    ...(stale.length === 0 ? [] : [`not heard now, shown is the last word: ${cardsText(stale)}`]),
  ];
  const fitsMatrix = 2 + (ticks.cards.length + 1) * (tickColumns + 2) - 2 <= width;
  return [
    paint("heading", "Who hears whom"),
    ...(fitsMatrix ? matrixOf(membership, ticks, width, paint) : listOf(ticks, membership, width, paint)),
    ...notes.flatMap((text) => note(text, width)).map((line) => paint("warning", line)),
  ];
}

function matrixOf(membership: MembershipStatus, ticks: Ticks, width: number, paint: Paint): string[] {
  const members = new Set(membership.view?.members.map(({ card }) => card));
  const rows = ticks.cards.map((listener): Cell[] => [
    { text: String(listener) },
    ...ticks.cards.map((card) => cellOf(ticks, listener, card, members.has(listener) && members.has(card))),
  ]);
  const someOneWay = rows.some((row) => row.some(({ text }) => text.includes("!")));
  const someUnknown = rows.some((row) => row.some(({ text }) => text === "?"));
  const legend = `row hears column: E Ethernet, S serial, - not${someOneWay ? ", ! one-way" : ""}${someUnknown ? ", ? never said" : ""}`;
  return [...table(["CARD", ...ticks.cards.map(String)], rows, width, paint), ...note(legend, width).map((line) => paint("faint", line))];
}

function cellOf(ticks: Ticks, listener: CardId, card: CardId, both: boolean): Cell {
  if (listener === card) return { text: ".", tone: "faint" };
  if (!ticks.hasRow(listener)) return { text: "?", tone: "faint" };
  const shared = linkKinds.filter((link) => link === "ether" || chassisOf(listener) === chassisOf(card));
  const heard = shared.filter((link) => ticks.hears(listener, card, link) === true);
  const oneWay = shared.some((link) => ticks.isOneWay(listener, card, link));
  const letters = shared.map((link) => {
    const letter = !heard.includes(link) ? "-" : link === "ether" ? "E" : "S";
    return letter + (ticks.isOneWay(listener, card, link) ? "!" : " ");
  });
  const tone: Tone = !ticks.isFresh(listener)
    ? "faint"
    : oneWay
    ? "bad"
    : heard.length === shared.length
    ? "good"
    : heard.length > 0
    ? "warning"
    : both
    ? "bad"
    : "faint";
  return { text: heard.length === 0 && !oneWay ? "-" : letters.join("").trimEnd(), tone };
}

/** For more cards than a line has room for. */
function listOf(ticks: Ticks, { ticks: rows }: MembershipStatus, width: number, paint: Paint): string[] {
  const heard = (cards: readonly CardId[]): Cell => cards.length === 0 ? { text: "nobody", tone: "warning" } : { text: numbersText(cards) };
  const lines = [...rows].sort((a, b) => a.card - b.card).map(({ card, ether, serial }): Cell[] => [
    { text: String(card), tone: ticks.isFresh(card) ? "plain" : "faint" },
    heard(serial),
    heard(ether),
  ]);
  return table(["CARD", "HEARS ON SERIAL", "HEARS ON ETHERNET"], lines, width, paint);
}

const linkNames: Readonly<Record<LinkKind, string>> = { ether: "Ethernet", serial: "serial" };

/**
 * One-way pairs in as few words as they have causes: again and again the card with the most of what is left is named,
 * as the one that does not hear (its receiver) or the one that is not heard (its sender).
 */
function oneWayNotes(ticks: Ticks, link: LinkKind): string[] {
  let left = ticks.cards.flatMap((hearing) =>
    ticks.cards.filter((deaf) => hearing !== deaf && ticks.hears(hearing, deaf, link) === true && ticks.isOneWay(hearing, deaf, link))
      .map((deaf) => ({ hearing, deaf }))
  );
  const notes: string[] = [];
  while (left.length > 0) {
    let most: { readonly card: CardId; readonly role: "deaf" | "hearing"; readonly count: number } | undefined;
    for (const role of ["deaf", "hearing"] as const) {
      for (const card of ticks.cards) {
        const count = left.filter((pair) => pair[role] === card).length;
        if (count > (most?.count ?? 0)) most = { card, role, count };
      }
    }
    if (most === undefined) break;
    const { card, role } = most;
    const other = role === "deaf" ? "hearing" : "deaf";
    const others = cardsText(left.filter((pair) => pair[role] === card).map((pair) => pair[other]).sort((a, b) => a - b));
    notes.push(
      `one-way on ${linkNames[link]}: ` +
        (role === "deaf"
          ? `card ${card} does not hear ${others}, which hear it`
          : `card ${card} is not heard by ${others}, which it hears`),
    );
    left = left.filter((pair) => pair[role] !== card);
  }
  return notes;
}

function historyOf({ history }: MembershipStatus, width: number, paint: Paint): string[] {
  if (history.length === 0) return [];
  const rows = history.map(({ state, view, members, reason, agoMs }): Cell[] => [
    { text: durationText(agoMs) },
    { text: printable(state).toUpperCase(), tone: notificationTones[state] ?? "plain" },
    { text: view === undefined ? "" : String(view) },
    { text: members === undefined ? "" : numbersText(members) },
    { text: printable(reason) },
  ]);
  return [paint("heading", "Notifications"), ...table(["AGO", "NOTIFICATION", "VIEW", "CARDS", "WHY"], rows, width, paint)];
}

const shape: Shape = {
  state: "string",
  "reason?": "string",
  "view?": {
    number: "number",
    coordinator: "number",
    members: [{ card: "number", incarnation: "number", previous: "number", ether: "boolean" }],
    absent: [{ card: "number", state: "string", "receipt?": "string" }],
  },
  electorate: ["number"],
  quorum: { held: "boolean", text: "string" },
  ticks: [{ card: "number", ether: ["number"], serial: ["number"] }],
  history: [{ state: "string", "view?": "number", "members?": ["number"], reason: "string", agoMs: "number" }],
};

/** Whether a card of whatever version said enough for the page. */
export function isMembershipStatus(value: unknown): value is MembershipStatus {
  return fits(value, shape);
}
