/**
 * Removes what a chassis has outside of its directory, found by looking at the world and not at any record: its
 * processes by the mark in their environment and by the namespace that they are in, its namespaces by their names.
 * The cables and the bridge go with the namespaces, the ptys with the multiplexor.
 */
import { existsSync, readdirSync } from "node:fs";
import { runScript } from "./command.ts";
import { isNamespaceOf } from "./names.ts";
import { gone, kill, processesInside, processesMarked, type ProcessRef } from "./processes.ts";
import { Refused } from "./refusal.ts";

/** In the environment of every process of a chassis: its directory. */
export const markVariable = "CARDINAL_CHASSIS";

/** The namespaces that carry the name of this chassis. */
export function namespacesLeft(name: string): string[] {
  return existsSync("/run/netns") ? readdirSync("/run/netns").filter((entry) => isNamespaceOf(name, entry)) : [];
}

export type Swept = { readonly processes: number; readonly namespaces: number };

/** Ends every process and removes every namespace of the chassis. Doing it twice is fine. */
export async function sweep(name: string, directory: string): Promise<Swept> {
  const namespaces = namespacesLeft(name);
  const ended = new Map<number, ProcessRef>();
  for (let round = 0;; round++) {
    const left = [...processesMarked(markVariable, directory), ...processesInside(namespaces)];
    if (left.length === 0) break;
    for (const ref of left) ended.set(ref.pid, ref);
    const stuck = await kill(left);
    // A process may have started another while it was looked for, so it is looked again; but not without end.
    if (stuck.length > 0 || round === 20) {
      throw new Refused("machine", `process ${(stuck[0] ?? left[0])?.pid} of chassis ${name} cannot be ended`);
    }
  }
  await gone([...ended.values()], 1_000);
  if (namespaces.length > 0) await runScript({ lines: namespaces.map((namespaceName) => `netns del ${namespaceName}`) });
  return { processes: ended.size, namespaces: namespaces.length };
}
