/** The alarms of storage as this card raises them: told when they begin, when their words change, and when they are over. The host raises what concerns a leg. Pure. */
import type { CardId } from "../base/ids.ts";
import type { DeviceId } from "./blocks.ts";
import type { CardDevice } from "./card-device.ts";
import type { StorageState } from "./storage-state.ts";
import type { StorageAlarmCode, StorageOutput } from "./storage-types.ts";

type Alarm = Extract<StorageOutput, { kind: "alarm" }>;

export class StorageAlarms {
  readonly #raised = new Map<string, Alarm>();

  changes(own: CardId, state: StorageState, devices: ReadonlyMap<DeviceId, CardDevice>): Alarm[] {
    const alarms = new Map<string, Alarm>();
    const raise = (code: StorageAlarmCode, about: string, text: string) =>
      alarms.set(`${code} ${about}`, { kind: "alarm", code, about, text });
    for (const [name, { primary, legs, memory, sure, unkept, definition }] of state.devices) {
      if (unkept.has(own)) {
        raise(
          "notes-failed",
          name,
          `this card cannot keep its notes of ${name}: another loss may leave nobody who knows which copy is right`,
        );
      }
      if (!sure && state.speakers()[0] === own) {
        const unseen = [...legs].filter(([, { members }]) => members.size === 0).map(([leg]) => leg);
        raise("device-unsure", name, `it is not known which copy of ${name} is right: ${unseen.join(", ")} was not seen since the start`);
      }
      if (primary?.card !== own || memory === undefined || definition.kind === "imaging") continue;
      for (const { leg } of definition.legs) {
        if (memory.inSync.includes(leg)) continue;
        const diverged = devices.get(name)?.mirroring?.divergedOf(leg);
        if (diverged === undefined) raise("leg-out", `${name}/${leg}`, `${leg} of ${name} is not in sync`);
        else raise("leg-diverged", `${name}/${leg}`, `${leg} of ${name} is another history: ${diverged}`);
      }
    }
    const changed: Alarm[] = [...alarms].filter(([key, { text }]) => this.#raised.get(key)?.text !== text).map(([, alarm]) => alarm);
    for (const [key, alarm] of this.#raised) if (!alarms.has(key)) changed.push({ ...alarm, text: undefined });
    this.#raised.clear();
    for (const [key, alarm] of alarms) this.#raised.set(key, alarm);
    return changed;
  }
}
