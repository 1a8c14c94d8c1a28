/** What happens in a group, as a line for people or a line of JSON. Pure. */
import { unreachable } from "../base/assert.ts";
import type { GroupEvent, GroupView, Member } from "../client/client.ts";
import { type Paint, printable } from "./text-layout.ts";

/** One line, newline at its end. */
export function groupEventText(event: GroupEvent, paint: Paint): string {
  return `${lineOf(event, paint)}\n`;
}

/** One line of JSON, newline at its end. A message has its data as `text` when it is UTF-8, else as `base64`. */
export function groupEventJson(event: GroupEvent): string {
  if (event.kind !== "message") return `${JSON.stringify(event)}\n`;
  const { data, ...rest } = event;
  const text = utf8Of(data);
  return `${JSON.stringify({ ...rest, ...(text === undefined ? { base64: data.toBase64() } : { text }) })}\n`;
}

function lineOf(event: GroupEvent, paint: Paint): string {
  switch (event.kind) {
    case "joined":
      return paint("good", `joined ${printable(event.group)} as ${memberText(event.member)}; ${viewText(event.view)}`);
    case "left":
      return paint("good", `left ${printable(event.group)}`);
    case "watching":
      return paint("good", `watching ${printable(event.group)}; ${viewText(event.view)}`);
    case "message":
      return `${paint("faint", `message ${event.sequence} from ${memberText(event.from)}:`)} ${dataText(event.data)}`;
    case "view": {
      const changes = event.changes.map(({ member, change }) => `${memberText(member)} ${changeTexts[change]}`).join(", ");
      const isWorse = event.changes.some(({ change }) => change === "exited");
      return paint(isWorse ? "bad" : "heading", `${changes}; ${viewText(event.view)}`);
    }
    case "lost":
      return paint("bad", `lost: messages before ${event.sequence} may be missing: ${printable(event.reason)}`);
    case "stopped":
      return paint("warning", `stopped: ${printable(event.reason)}`);
    case "resumed":
      return paint("good", "resumed");
    case "monitor":
      return paint("faint", `monitor: to be answered within ${event.withinMs} ms`);
    default:
      return unreachable(event);
  }
}

const changeTexts = {
  joined: "joined",
  left: "left",
  exited: "exited without leaving",
  returned: "returned",
} as const;

function viewText({ number, members }: GroupView): string {
  return number === 0 && members.length === 0 ? "nobody is in it" : `view ${number}: ${members.map(memberText).join(", ") || "nobody"}`;
}

/** "alpha (card 2, number 3, critical)"; a sender that is no member is "card 2". */
export function memberText({ card, number, name, critical }: Member): string {
  if (number === 0) return `card ${card}`;
  const place = [`card ${card}`, `number ${number}`, ...(critical ? ["critical"] : [])].join(", ");
  return name === "" ? place : `${printable(name)} (${place})`;
}

const escapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** Text on one line; what is no text in hexadecimal. */
function dataText(data: Uint8Array): string {
  const text = utf8Of(data);
  if (text === undefined) return `${data.length} bytes: ${data.toHex()}`;
  return printable(text.replace(/[\n\r\t\\]/g, (letter) => escapes[letter] as string));
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function utf8Of(data: Uint8Array): string | undefined {
  try {
    return utf8.decode(data);
  } catch {
    return undefined;
  }
}
