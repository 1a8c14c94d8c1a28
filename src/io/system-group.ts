/** The machine's groups, by /etc/group alone: that is where a card has them. */
import { readFileSync } from "node:fs";

type SystemGroup = { readonly name: string; readonly id: number };

/** The number of the group with this name; `undefined` when there is none. */
export function groupIdOf(name: string): number | undefined {
  return systemGroups().find((group) => group.name === name)?.id;
}

/** The name of a group, or its number in digits when it has none. */
export function groupNameOf(id: number): string {
  return systemGroups().find((group) => group.id === id)?.name ?? String(id);
}

function systemGroups(): SystemGroup[] {
  let text = "";
  try {
    text = readFileSync("/etc/group", "utf8");
  } catch {
    // A machine without the file has no named groups.
  }
  return text.split("\n").flatMap((line) => {
    const [name, , id] = line.split(":");
    return name === undefined || name === "" || id === undefined || !/^\d+$/.test(id) ? [] : [{ name, id: Number(id) }];
  });
}
