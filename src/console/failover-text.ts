/** Failover sets, readiness and what became of failovers, as pages for people. Pure. */
import { nearest } from "../base/nearest.ts";
import type { ReadinessReasonView, ReadinessView, SetsView, SetView, StandingView, UnitView } from "../failover/failover-view.ts";
import type { Nothing, PageOptions } from "./card-page.ts";
import { fits, type Shape } from "./shape.ts";
import { type Cell, durationText, note, type Paint, paintOf, pairs, printable, table, type Tone } from "./text-layout.ts";

const serviceTones: Readonly<Record<string, Tone>> = { placed: "good", held: "warning", quarantined: "bad", unserved: "bad" };
const roleTones: Readonly<Record<string, Tone>> = { primary: "good", failed: "bad", unassigned: "warning" };

/** The sets, or the one that has this name. */
export function setsText(view: SetsView, name: string | undefined, options: PageOptions): string | Nothing {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  const sets = name === undefined ? view.sets : view.sets.filter(({ set }) => set === name);
  if (name !== undefined && sets.length === 0) return missing(view, name);
  const sections = [standingLines(view, width, paint), ...sets.map((set) => setLines(set, width, paint))];
  if (view.sets.length === 0 && view.state !== "joining") {
    sections.push(note("there are no failover sets: `cardinal config set failoverSets.NAME '{}'` makes one", width, 0));
  }
  return pageOf(sections);
}

/** The set of a name, for programs. */
export function setNamed({ sets, ...standing }: SetsView, name: string): unknown {
  return { ...standing, ...sets.find(({ set }) => set === name) };
}

function missing({ sets, state, reason }: SetsView, name: string): Nothing {
  if (state === "joining") return { missing: `this card does not know the failover sets yet: ${printable(reason ?? "it is joining")}` };
  const names = sets.map(({ set }) => set);
  const ofService = sets.find(({ services }) => services.some(({ service }) => service === name))?.set;
  const meant = ofService ?? nearest(name, names);
  const instead = ofService !== undefined
    ? `it is a service of ${printable(ofService)}`
    : meant !== undefined
    ? `did you mean ${printable(meant)}?`
    : names.length === 0
    ? "there are none"
    : `there are ${printable(names.join(", "))}`;
  return { missing: `there is no failover set ${JSON.stringify(name)}; ${instead}` };
}

/** What has to be said before anything else; nothing while all is as it should be. */
function standingLines({ state, reason, ownersKnown }: StandingView, width: number, paint: Paint): string[] {
  const why = reason === undefined ? "" : `: ${printable(reason)}`;
  const lines: string[] = [];
  if (state === "joining") lines.push(...note(`this card does not know yet what all agree on${why}`, width, 0));
  else if (state === "out") lines.push(...note(`this card may not serve, and what it knows may be old${why}`, width, 0));
  if (state !== "joining" && !ownersKnown) {
    lines.push(
      ...note(
        "these cards have just started and nobody knows what silent cards run: `cardinal boot proceed` says that they run nothing",
        width,
        0,
      ),
    );
  }
  return lines.map((line) => paint("warning", line));
}

function setLines({ set, epoch, dormant, seats, services, units }: SetView, width: number, paint: Paint): string[] {
  const head = `${printable(set)}, epoch ${epoch}${dormant ? ", dormant: the set that it is a member of serves elsewhere" : ""}`;
  const roles = seats.map(({ card, seat, role, reasons }): Cell[] => [
    { text: String(card) },
    { text: printable(seat) },
    { text: role.toUpperCase(), tone: roleTones[role] ?? "plain" },
    { text: reasons.map(({ text }) => printable(text)).join("; ") },
  ]);
  const rows = services.map(({ service, state, owner, grant, epoch, reasons, here }): Cell[] => {
    const waiting = here === undefined || here.waitingFor.length === 0 ? [] : [`${here.state}, waits for ${here.waitingFor.join(", ")}`];
    const said = [...waiting, ...reasons.map(({ text }) => text)];
    return [
      { text: printable(service) },
      { text: printable(state).toUpperCase(), tone: serviceTones[state] ?? "plain" },
      { text: owner === undefined ? "" : String(owner.card) },
      { text: grant === "idle" ? "" : printable(grant), tone: grant === "running" ? "good" : grant === "failed" ? "bad" : "plain" },
      { text: String(epoch) },
      { text: printable([...new Set(said)].join("; ")) },
    ];
  });
  return [
    paint("heading", head),
    ...(roles.length === 0
      ? note("it has no members", width)
      : table(["CARD", "SEAT", "ROLE", "WHAT SPEAKS AGAINST IT"], roles, width, paint)),
    ...(rows.length === 0
      ? note("it has no services", width)
      : table(["SERVICE", "STATE", "CARD", "GRANT", "EPOCH", "WHY"], rows, width, paint)),
    ...units.flatMap((unit) => unitLines(unit).flatMap((text) => note(text, width))).map((line) => paint("warning", line)),
  ];
}

function unitLines({ unit, moving, quarantine, wanted, stays, failedOn }: UnitView): string[] {
  const name = printable(unit);
  const left = (leftMs: number | undefined) => leftMs === undefined ? "until it is lifted" : `for another ${durationText(leftMs)}`;
  return [
    ...(moving ? [`a move of ${name} is under way`] : []),
    ...(quarantine === undefined ? [] : [`${name} is in quarantine ${left(quarantine.leftMs)}: ${printable(quarantine.reason)}`]),
    ...(wanted === undefined
      ? []
      : [`${printable(wanted.by)} wants ${name} on card ${wanted.to}${wanted.comment === "" ? "" : `: ${printable(wanted.comment)}`}`]),
    ...(stays === undefined ? [] : [`${name} stays on card ${stays}, where it was sent; \`set failback\` ends that`]),
    ...failedOn.map(({ card, reason, leftMs }) => `${name} failed on card ${card}, which counts ${left(leftMs)}: ${printable(reason)}`),
  ];
}

/** Whether each service would be taken over, and what stands against it. */
export function readyText(view: ReadinessView, options: PageOptions): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  const { ready, reasons, warnings } = view;
  const count = new Set(reasons.map(({ service }) => service)).size;
  const head = ready
    ? paint("good", "READY: every service would be taken over")
    : paint("bad", `NOT READY${count === 0 ? "" : `: ${count === 1 ? "one service" : `${count} services`} would not be taken over`}`);
  return pageOf([
    [head, ...standingLines(view, width, paint)],
    gathered(reasons).flatMap((reason) => reasonLines(reason, "bad", width, paint)),
    warnings.length === 0
      ? []
      : [paint("heading", "Warnings"), ...gathered(warnings).flatMap((reason) => reasonLines(reason, "warning", width, paint))],
  ]);
}

type Gathered = ReadinessReasonView & { readonly services: readonly string[] };

/** What stands against several services alike, once; with the longest of their ages. */
function gathered(reasons: readonly ReadinessReasonView[]): Gathered[] {
  const found = new Map<string, Gathered>();
  for (const reason of reasons) {
    const { code, card, text, service, forMs } = reason;
    const key = `${code} ${card} ${text}`;
    const known = found.get(key);
    found.set(key, {
      ...reason,
      services: [...known?.services ?? [], service],
      forMs: Math.max(known?.forMs ?? 0, forMs),
    });
  }
  return [...found.values()];
}

/** "web, sql  down": what stands against which services, since when, who can end it and how. */
function reasonLines({ services, code, text, forMs, owner, hint }: Gathered, tone: Tone, width: number, paint: Paint): string[] {
  return [
    `${paint("heading", printable(services.join(", ")))}  ${paint(tone, printable(code))}`,
    ...pairs(
      [["Why", printable(text)], ["Since", `${durationText(forMs)} ago`], ["Whose", ownerText(owner)], ["Fix", printable(hint)]],
      width,
      paint,
    ),
  ];
}

function ownerText(owner: string): string {
  switch (owner) {
    case "card":
      return "the card's own: it ends with its cause";
    case "operator":
      return "an operator's";
    case "configuration":
      return "the configuration's";
    default:
      // Of a later version.
      return printable(owner);
  }
}

export function pageOf(sections: readonly (readonly string[])[]): string {
  return `${sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

const spot: Shape = { card: "number", seat: "string" };
const reason: Shape = { code: "string", card: "number", text: "string", owner: "string", hint: "string" };
const readinessReason: Shape = { service: "string", code: "string", text: "string", forMs: "number", owner: "string", hint: "string" };

const setsShape: Shape = {
  state: "string",
  "reason?": "string",
  ownersKnown: "boolean",
  sets: [{
    set: "string",
    epoch: "number",
    dormant: "boolean",
    seats: [{ ...spot, role: "string", reasons: [reason] }],
    services: [{ service: "string", state: "string", "owner?": spot, grant: "string", epoch: "number", reasons: [reason] }],
    units: [{ unit: "string", moving: "boolean", failedOn: [{ card: "number", reason: "string" }] }],
  }],
};

/** Whether a card of whatever version said enough for the page. */
export function isSets(value: unknown): value is SetsView {
  return fits(value, setsShape);
}

const readinessShape: Shape = {
  state: "string",
  "reason?": "string",
  ownersKnown: "boolean",
  ready: "boolean",
  reasons: [readinessReason],
  warnings: [readinessReason],
};

export function isReadiness(value: unknown): value is ReadinessView {
  return fits(value, readinessShape);
}
