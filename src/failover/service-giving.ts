/** All that is agreed on, and the newest records, as one card gives them to another that joins. Pure. */
import { failoverRecordsGiven } from "../limits.ts";
import type { FailoverRecord } from "./failover-record.ts";
import type { Records } from "./service-records.ts";
import { FailoverState } from "./service-state.ts";
import { packText, unpackText } from "./service-text.ts";

export function givenText(state: FailoverState, records: Records): string {
  return packText({ state: state.text(), records: records.list.slice(-failoverRecordsGiven), last: records.last });
}

/** The state that was given; its records go into ours. `undefined` for what is no such text. */
export function takeGiven(text: string, records: Records): FailoverState | undefined {
  const given = unpackText(text) as { readonly state?: unknown; readonly records?: unknown; readonly last?: unknown } | null | undefined;
  const state = typeof given?.state === "string" ? FailoverState.fromText(given.state) : undefined;
  if (state !== undefined && Array.isArray(given?.records) && typeof given.last === "number") {
    records.take(given.records as readonly FailoverRecord[], given.last);
  }
  return state;
}
