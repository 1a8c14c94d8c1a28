/**
 * What must hold between rows, beyond references and what is unique (FS-3, FS-11, PB-1). Each check starts from the rows that a wish changes and looks at what they
 * touch: a tree of sets, the needs of a resource, the subgroups of a device.
 */
import { needsDepthMax, setDepthMax } from "../limits.ts";
import type { Row } from "./change.ts";
import type { ConfigReader } from "./reader.ts";
import type { RowChange, TablesAfter } from "./tables-after.ts";
import { parseIpAddress } from "../base/ip-address.ts";
import { shownValue } from "./values.ts";

/** What is wrong, said of a row that the wish changes. */
export type ReportInvariant = (change: RowChange, column: string | undefined, text: string) => void;

export function checkInvariants(after: TablesAfter, report: ReportInvariant): void {
  checkCards(after, report);
  checkSets(after, report);
  checkResources(after, report);
  checkPreferred(after, report);
  checkNeeds(after, report);
  checkSubgroups(after, report);
  checkExportPaths(after, report);
  checkAdministrators(after, report);
}

/** Rows that are to be looked at, each with the change that is the reason. */
export class Affected extends Map<string, RowChange> {
  note(id: unknown, change: RowChange): void {
    if (typeof id === "string" && !this.has(id)) this.set(id, change);
  }
}

function checkCards(after: TablesAfter, report: ReportInvariant): void {
  let isAnyEnabled: boolean | undefined;
  for (const change of after.changesOf("cards")) {
    if (change.after?.["enabled"] === 1) continue;
    // There are few cards.
    isAnyEnabled ??= [...after.rows("cards")].some((card) => card["enabled"] === 1);
    const isLast = after.count("cards") > 0 && !isAnyEnabled;
    if (isLast) report(change, change.after && "enabled", "would leave no card that is enabled, must leave one");
  }
}

/** A card that is disabled, or gets less capacity; one that goes is no member of a set any more. */
function servesLess({ before, after }: RowChange): boolean {
  if (before?.["enabled"] !== 1 || after === undefined) return false;
  return after["enabled"] !== 1 || (after["capacity"] as number) < (before["capacity"] as number);
}

/** The sets whose members a wish changes, or what their cards can serve, each with the sets that stand on it. */
export function touchedSets(after: TablesAfter): Affected {
  const affected = new Affected();
  for (const change of after.changesOf("failoverSets")) affected.note(change.id, change);
  for (const change of after.changesOf("setMembers")) {
    affected.note(change.before?.["set"], change);
    affected.note(change.after?.["set"], change);
  }
  const noteMembers = (column: string, id: string, change: RowChange) => {
    for (const member of after.rowsWith("setMembers", column, id)) affected.note(member["set"], change);
  };
  for (const change of after.changesOf("cards")) {
    if (!servesLess(change)) continue;
    noteMembers("card", change.id, change);
    for (const group of after.rowsWith("portGroups", "card", change.id)) noteMembers("portGroup", group.id, change);
    for (const member of after.rowsWith("subgroupMembers", "card", change.id)) {
      const device = after.row("subgroups", member["subgroup"] as string)?.["resource"];
      if (typeof device === "string") noteMembers("device", device, change);
    }
  }
  for (const change of after.changesOf("subgroupMembers")) {
    if (change.after !== undefined) continue;
    const subgroup = change.before?.["subgroup"] as string;
    const device = (after.row("subgroups", subgroup) ?? after.before.row("subgroups", subgroup))?.["resource"];
    if (typeof device === "string") noteMembers("device", device, change);
  }
  // A set's parents stand on it. The map grows while it is walked.
  for (const [set, change] of affected) noteMembers("memberSet", set, change);
  return affected;
}

function checkSets(after: TablesAfter, report: ReportInvariant): void {
  for (const change of after.changesOf("setMembers")) {
    if (change.after !== undefined) checkMember(change, change.after, report);
  }
  const heights = new Map<string, number>();
  for (const [set, change] of touchedSets(after)) {
    const row = after.row("failoverSets", set);
    if (row === undefined) continue;
    const members = after.rowsWith("setMembers", "set", set);
    const height = heightOf(
      set,
      heights,
      setDepthMax,
      (id) => after.rowsWith("setMembers", "set", id).flatMap(({ memberSet }) => typeof memberSet === "string" ? [memberSet] : []),
    );
    const column = change.after?.["memberSet"] ? "memberSet" : undefined;
    const subject = change.table === "failoverSets" && change.id === set ? "" : `would make failoverSets ${set} wrong: it `;
    if (height === "cycle") {
      report(change, column, `${subject}would be a member of itself, over ${cycleText(set, after)}; must be a tree`);
    } else if (height === "deep") {
      report(change, column, `${subject}would have more than ${setDepthMax} levels of sets`);
    } else {
      const wrong = wrongMembers(row, members) ?? (members.some((member) => canServe(member, after)) ? undefined : nobodyServes);
      if (wrong !== undefined) report(change, undefined, `${subject}${wrong}`);
    }
  }
}

const nobodyServes = "has no member that can serve, must have at least one whose card is enabled";
const memberColumns = ["card", "memberSet", "portGroup", "device"];

function checkMember(change: RowChange, member: Row, report: ReportInvariant): void {
  const given = memberColumns.filter((column) => member[column] !== null);
  if (given.length === 1) return;
  report(
    change,
    given[1] ?? "card",
    given.length === 0
      ? `is missing, and so are memberSet, portGroup and device; a member is one of them`
      : `is given besides ${given[0]}, must be one of them; a member called after a card is that card`,
  );
}

function wrongMembers(set: Row, members: readonly Row[]): string | undefined {
  if (members.length === 0) return "has no member, must have at least one";
  const { composition } = set;
  if (composition === "hierarchical") return undefined;
  const other = members.find(({ card, memberSet }) => composition === "n-way" ? memberSet !== null : card === null);
  if (other !== undefined) {
    const is = composition === "n-way" ? "a set" : "no card";
    return `has the member ${other.id}, which is ${is}; must be hierarchical for that, and is ${composition}`;
  }
  if (composition === "n-way" && members.length < 2) return "has one member, must have at least two to be n-way";
  if (members.every(({ spare }) => spare === 1)) return "has only spare members, must have one that serves";
  return undefined;
}

/** Whether some card behind a member can serve; the sets are known to be a tree of little height. */
function canServe(member: Row, after: TablesAfter): boolean {
  const { card, memberSet, portGroup, device } = member;
  if (typeof memberSet === "string") return after.rowsWith("setMembers", "set", memberSet).some((below) => canServe(below, after));
  if (typeof device === "string") return cardsOfDevice(device, after).some((id) => after.row("cards", id)?.["enabled"] === 1);
  const id = typeof portGroup === "string" ? after.row("portGroups", portGroup)?.["card"] : card;
  return typeof id === "string" && after.row("cards", id)?.["enabled"] === 1;
}

export function cardsOfDevice(device: string, after: ConfigReader): string[] {
  return after.rowsWith("subgroups", "resource", device).flatMap((subgroup) =>
    after.rowsWith("subgroupMembers", "subgroup", subgroup.id).map(({ card }) => card as string)
  );
}

function cycleText(set: string, after: ConfigReader): string {
  const path = [set];
  for (let at = set; path.length <= setDepthMax;) {
    const next = after.rowsWith("setMembers", "set", at).map(({ memberSet }) => memberSet)
      .find((id): id is string => typeof id === "string" && (id === set || reaches(id, set, after)));
    if (next === undefined) break;
    path.push(next);
    if (next === set) break;
    at = next;
  }
  return path.join(" > ");
}

function reaches(from: string, to: string, after: ConfigReader): boolean {
  const seen = new Set([from]);
  for (const set of seen) {
    for (const { memberSet } of after.rowsWith("setMembers", "set", set)) if (typeof memberSet === "string") seen.add(memberSet);
  }
  return seen.has(to);
}

/**
 * The levels below and with `id`, what is known of it kept in `known`. It ends at the first way that leads back or too deep, so that it looks
 * at each once, however many ways lead there.
 */
function heightOf(
  id: string,
  known: Map<string, number>,
  heightMax: number,
  below: (id: string) => readonly string[],
  above: readonly string[] = [],
): number | "cycle" | "deep" {
  if (above.includes(id)) return "cycle";
  const height = known.get(id);
  if (above.length + (height ?? 1) > heightMax) return "deep";
  if (height !== undefined) return height;
  let highest = 0;
  for (const next of below(id)) {
    const of = heightOf(next, known, heightMax, below, [...above, id]);
    if (typeof of === "string") return of;
    highest = Math.max(highest, of);
  }
  known.set(id, highest + 1);
  return highest + 1;
}

function checkResources(after: TablesAfter, report: ReportInvariant): void {
  for (const change of after.changesOf("resources")) {
    const row = change.after;
    if (row === undefined) continue;
    const { address, prefix, blockBytes } = row;
    if (typeof address === "string" && typeof prefix === "number" && (parseIpAddress(address)?.length ?? 16) * 8 < prefix) {
      report(change, "prefix", `is ${prefix}, must be at most 32 for an IPv4 address`);
    }
    if (typeof blockBytes === "number" && blockBytes !== 512 && blockBytes !== 4_096) {
      report(change, "blockBytes", `is ${blockBytes}, must be 512 or 4096`);
    }
  }
}

/** A list of cards is no reference that the tables could keep. */
function checkPreferred(after: TablesAfter, report: ReportInvariant): void {
  const cardsOf = (service: Row | undefined): string[] => {
    return typeof service?.["preferred"] === "string" ? JSON.parse(service["preferred"]) as string[] : [];
  };
  for (const change of after.changesOf("services")) {
    const missing = cardsOf(change.after).find((card) => after.row("cards", card) === undefined);
    if (missing !== undefined) report(change, "preferred", `has ${shownValue(missing)}, and there is no such card`);
  }
  const removed = [...after.changesOf("cards")].filter((change) => change.after === undefined);
  if (removed.length === 0) return;
  for (const service of after.rows("services")) {
    if (after.change("services", service.id) !== undefined) continue;
    const change = removed.find(({ id }) => cardsOf(service).includes(id));
    if (change !== undefined) report(change, undefined, `cannot be removed while services ${service.id} names it (preferred)`);
  }
}

/** The resources that a resource needs: by name, and the device under a filesystem. */
export function needsOf(id: string, after: ConfigReader): string[] {
  const needs = after.rowsWith("dependencies", "resource", id).map(({ needs }) => needs as string);
  const device = after.row("resources", id)?.["device"];
  return typeof device === "string" ? [...needs, device] : needs;
}

function checkNeeds(after: TablesAfter, report: ReportInvariant): void {
  const affected = new Affected();
  for (const change of after.changesOf("dependencies")) affected.note(change.after?.["resource"], change);
  for (const change of after.changesOf("resources")) {
    if (change.after === undefined) continue;
    affected.note(change.id, change);
    const isSame = (column: string) => change.before?.[column] === change.after?.[column];
    if (change.before === undefined || (isSame("service") && isSame("standby"))) continue;
    for (const { resource } of after.rowsWith("dependencies", "needs", change.id)) affected.note(resource, change);
    for (const { id } of after.rowsWith("resources", "device", change.id)) affected.note(id, change);
  }
  const heights = new Map<string, number>();
  for (const [id, change] of affected) {
    const needs = needsOf(id, after);
    if (needs.length === 0) continue;
    const height = heightOf(id, heights, needsDepthMax, (each) => needsOf(each, after));
    const column = change.table === "dependencies" ? "needs" : undefined;
    if (height === "cycle") {
      report(change, column, `would make resources ${id} need itself; must be without a circle`);
      continue;
    }
    if (height === "deep") {
      report(change, column, `would make a chain of more than ${needsDepthMax} resources, from ${id} on`);
      continue;
    }
    const service = after.row("resources", id)?.["service"] ?? null;
    const isHot = after.row("resources", id)?.["standby"] === "hot";
    for (const need of needs) {
      if (isHot && after.row("resources", need)?.["standby"] !== "hot") {
        const where = change.table === "resources" && change.id === id ? "standby" : column;
        const text =
          `would make resources ${id}, which runs on every card (standby hot), need ${need}, which does not; must need only what is hot too`;
        report(change, where, text);
      }
      const other = after.row("resources", need)?.["service"] ?? null;
      if (other === null || other === service) continue;
      const is = service === null ? "in no service" : `in service ${service}`;
      report(
        change,
        change.table === "resources" ? "service" : column,
        `would make resources ${id}, which is ${is}, need ${need}, which is in service ${other}; must be in the same service, or ${need} in none`,
      );
    }
  }
}

function checkSubgroups(after: TablesAfter, report: ReportInvariant): void {
  const affected = new Affected();
  const subgroups = new Affected();
  for (const change of after.changesOf("resources")) {
    const kind = change.after?.["kind"];
    if (kind === "device" || kind === "imagingDevice") affected.note(change.id, change);
  }
  for (const change of after.changesOf("subgroups")) {
    affected.note(change.before?.["resource"], change);
    affected.note(change.after?.["resource"], change);
    if (change.after !== undefined) subgroups.note(change.id, change);
  }
  for (const change of after.changesOf("subgroupMembers")) subgroups.note(change.before?.["subgroup"], change);
  for (const [id, change] of subgroups) {
    if (after.row("subgroups", id) === undefined || after.rowsWith("subgroupMembers", "subgroup", id).length > 0) continue;
    report(change, undefined, `would leave subgroups ${id} without a card, must have at least one`);
  }
  for (const [id, change] of affected) {
    const resource = after.row("resources", id);
    if (resource === undefined) continue;
    const of = after.rowsWith("subgroups", "resource", id);
    const primaries = of.filter(({ role }) => role === "primary").length;
    const column = change.table === "subgroups" && change.after ? "role" : undefined;
    if (primaries !== 1) {
      report(change, column, `would leave resources ${id} with ${primaries} primary subgroups, must be exactly one`);
    } else if (resource["kind"] === "imagingDevice" && of.length > 1) {
      report(change, column, `would give the imaging device ${id} a backup, must be none: only storage is mirrored`);
    }
  }
}

function checkExportPaths(after: TablesAfter, report: ReportInvariant): void {
  for (const change of after.changesOf("exportPaths")) {
    const [card, portGroup] = [change.after?.["card"], change.after?.["portGroup"]];
    if (typeof portGroup !== "string" || after.row("portGroups", portGroup)?.["card"] === card) continue;
    report(change, "portGroup", `is ${shownValue(portGroup)}, must be a port group of the card ${card}`);
  }
}

function checkAdministrators(after: TablesAfter, report: ReportInvariant): void {
  const changes = [...after.changesOf("users"), ...after.changesOf("tokens")];
  const cause = changes.find(({ before }) => before?.["role"] === "administrator");
  if (cause === undefined || hasAdministrator(after) || !hasAdministrator(after.before)) return;
  report(
    cause,
    undefined,
    "would take away the last administrator: must leave an enabled user with a password, or a token that does not expire",
  );
}

function hasAdministrator(reader: ConfigReader): boolean {
  const isUser = (row: Row) => row["enabled"] === 1 && row["password"] !== null;
  if (reader.rowsWith("users", "role", "administrator").some(isUser)) return true;
  return reader.rowsWith("tokens", "role", "administrator").some(({ enabled, expiresAt, user }) =>
    enabled === 1 && expiresAt === null && (user === null || reader.row("users", user as string)?.["enabled"] === 1)
  );
}
