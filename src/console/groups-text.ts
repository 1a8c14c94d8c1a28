/** A card's groups as a page for people: how the order of messages stands, and who is in which group. Pure. */
import { nearest } from "../base/nearest.ts";
import type { GroupsStatus } from "../node/status.ts";
import type { Nothing, PageOptions } from "./card-page.ts";
import { fits, type Shape } from "./shape.ts";
import { type Cell, countsText, type Paint, paintOf, pairs, printable, table, type Tone } from "./text-layout.ts";

type Group = GroupsStatus["groups"][number];

const stateTones: Readonly<Record<GroupsStatus["state"], Tone>> = {
  running: "good",
  flushing: "warning",
  exchanging: "warning",
  stopped: "bad",
};

const stateTexts: Readonly<Partial<Record<string, string>>> = {
  flushing: "the members of a new view level what they hold",
  exchanging: "cards that shared nothing exchange group data; messages wait",
};

/** The page, newline at its end, in `columns` columns; with `name` that group alone. */
export function groupsText(status: GroupsStatus, name: string | undefined, options: PageOptions): string | Nothing {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  const sections: string[][] = [];
  if (name === undefined) {
    sections.push(orderOf(status, width, paint));
    if (status.groups.length === 0) sections.push([paint("heading", "Groups"), "  none"]);
    for (const group of status.groups) sections.push(groupOf(group, width, paint));
  } else {
    const group = groupNamed(status, name);
    if ("missing" in group) return group;
    sections.push(groupOf(group, width, paint));
  }
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

export function groupNamed({ groups }: GroupsStatus, name: string): Group | Nothing {
  const group = groups.find((each) => each.name === name);
  if (group !== undefined) return group;
  const names = groups.map((each) => printable(each.name));
  const meant = nearest(name, names);
  const hint = meant !== undefined ? `did you mean ${meant}?` : names.length === 0 ? "there is none" : `there are ${names.join(", ")}`;
  return { missing: `there is no group ${JSON.stringify(name)}; ${hint}` };
}

function orderOf(status: GroupsStatus, width: number, paint: Paint): string[] {
  const { state, reason, epoch, coordinator, held, committed, delivered, pending, counters } = status;
  const why = reason === undefined ? stateTexts[state] : printable(reason);
  const counted = countsText(counters);
  const view = epoch === 0 ? "none yet" : `${epoch}${coordinator === undefined ? "" : `, card ${coordinator} coordinates`}`;
  return [
    paint("heading", "Order of messages"),
    ...pairs(
      [
        ["State", `${printable(state)}${why === undefined ? "" : `: ${why}`}`, stateTones[state] ?? "plain"],
        ["Epoch", view],
        ["Sequences", `held ${held}, committed ${committed}, delivered ${delivered}`],
        ["Pending", pending === 0 ? "nothing" : `${pending} of this card's messages not committed yet`],
        ...(counted === "" ? [] : [["Counted", counted] as const]),
      ],
      width,
      paint,
    ),
  ];
}

function groupOf({ name, view, messages, members }: Group, width: number, paint: Paint): string[] {
  const rows = members.map((member): Cell[] => [
    { text: String(member.card) },
    { text: String(member.number) },
    { text: member.local ? "here" : "", tone: "good" },
    { text: member.critical ? "critical" : "" },
    { text: printable(member.name) },
  ]);
  return [
    paint("heading", `Group ${printable(name)}`),
    ...pairs([["View", String(view)], ["Messages", String(messages)]], width, paint),
    ...(rows.length === 0 ? ["  no members"] : table(["CARD", "NUMBER", "LOCAL", "CRITICAL", "NAME"], rows, width, paint)),
  ];
}

const shape: Shape = {
  state: "string",
  "reason?": "string",
  epoch: "number",
  "coordinator?": "number",
  held: "number",
  committed: "number",
  delivered: "number",
  pending: "number",
  counters: {},
  groups: [{
    name: "string",
    view: "number",
    messages: "number",
    members: [{ card: "number", number: "number", name: "string", critical: "boolean", local: "boolean" }],
  }],
};

/** Whether a card of whatever version said enough for the page. */
export function isGroupsStatus(value: unknown): value is GroupsStatus {
  return fits(value, shape);
}
