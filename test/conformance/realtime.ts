/** What every driver of scheduling and memory does. */
import * as assert from "uvu/assert";
import { type Skips, Suite, type Tester, type World } from "./world.ts";

export type RealtimeWorld = World & {
  /** Does something in a process of its own that has, or has not, the permission; gives the error's message, or "". */
  attempt(what: "enter" | "lock", isPrivileged: boolean): Promise<string>;
};

function messageOf(action: () => void): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

export function realtimeConformance(test: Tester, name: string, make: () => Promise<RealtimeWorld>, skips: Skips): void {
  const suite = new Suite(test, `realtime, ${name}`, make, skips);

  suite.property("a priority out of range is refused", async (world) => {
    for (const priority of [0, 1, 100]) {
      const message = messageOf(() => world.drivers.realtime.enter(priority));
      assert.is(message, `realtime: priority is ${priority}; it must be from 2 to 99`);
    }
    await Promise.resolve();
  });

  suite.property("with the permission scheduling changes", async (world) => {
    assert.is(await world.attempt("enter", true), "");
  });

  suite.property("with the permission memory is locked", async (world) => {
    assert.is(await world.attempt("lock", true), "");
  });

  suite.property("without the permission for scheduling the error says which is missing", async (world) => {
    assert.match(await world.attempt("enter", false), "CAP_SYS_NICE");
  });

  suite.property("without the permission for memory the error says which is missing", async (world) => {
    assert.match(await world.attempt("lock", false), "CAP_IPC_LOCK");
  });

  suite.close();
}
