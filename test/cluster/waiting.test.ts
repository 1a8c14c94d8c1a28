import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt } from "../../src/base/ids.ts";
import { Waiting } from "../../src/cluster/waiting.ts";
import { viewMuteMs } from "../../src/limits.ts";

const first = cardAt(1, 1);
const second = cardAt(1, 2);

test("a view that grows waits from the first time that it is asked, until it is stopped", () => {
  const waiting = new Waiting();
  assert.is(waiting.joinUntil(1_000, 300), 1_300);
  assert.is(waiting.joinUntil(1_200, 300), 1_300);
  waiting.onLate(50);
  assert.is(waiting.joinUntil(1_350, 300), 1_350);
  waiting.stopJoining();
  waiting.onLate(50);
  assert.is(waiting.joinUntil(2_000, 300), 2_300);
});

test("a coordinator is mute when it has proposed nothing for viewMuteMs; its proposals, lateness and another one begin anew", () => {
  const waiting = new Waiting();
  assert.is(waiting.muteAt(1_000, first, 100), 1_000 + viewMuteMs + 100);
  assert.is(waiting.muteAt(1_500, first, 100), 1_000 + viewMuteMs + 100);
  waiting.onProposal(1_600, second);
  assert.is(waiting.muteAt(1_600, first, 100), 1_000 + viewMuteMs + 100);
  waiting.onProposal(1_600, first);
  assert.is(waiting.muteAt(1_700, first, 100), 1_600 + viewMuteMs + 100);
  waiting.onLate(40);
  assert.is(waiting.muteAt(1_700, first, 100), 1_640 + viewMuteMs + 100);
  assert.is(waiting.muteAt(1_800, second, 100), 1_800 + viewMuteMs + 100);
  waiting.stopWatching();
  assert.is(waiting.muteAt(1_900, second, 100), 1_900 + viewMuteMs + 100);
});

test.run();
