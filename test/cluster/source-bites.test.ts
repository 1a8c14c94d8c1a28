// runtime: node
// timeout: 300
/**
 * For each requirement of the source documents on cluster services, a line that fulfils it is broken in a copy, and the test that cites the
 * requirement is seen to fail.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BrokenCopy } from "../broken-copy.ts";

type Bite = {
  readonly requirement: string;
  readonly breaks: string;
  readonly file: string;
  readonly line: string;
  readonly broken: string;
  readonly by: string;
};

const ha = "test/cluster/source-ha.test.ts";
const sg = "test/cluster/source-sg.test.ts";
const delta = "test/cluster/delta.test.ts";

const bites: readonly Bite[] = [
  {
    requirement: "HA-1",
    breaks: "a system has seven cards at most",
    file: "src/cluster/quorum.ts",
    line: "return { held: true, text: `${share}: more than half` };",
    broken: "return { held: votes < 8, text: `${share}: more than half` };",
    by: ha,
  },
  {
    requirement: "FS-9",
    breaks: "a card of another chassis has to be verified on serial too",
    file: "src/cluster/discovery.ts",
    line: "return chassisOf(card) === chassisOf(this.#card) ? linkKinds : etherAlone;",
    broken: "return chassisOf(card) > 0 ? linkKinds : etherAlone;",
    by: ha,
  },
  {
    requirement: "HA-4",
    breaks: "the second phase is not answered",
    file: "src/cluster/membership.ts",
    line: "    this.#answeredAt = now;\n    this.#send(to, message);",
    broken: '    this.#answeredAt = now;\n    if (message.kind !== "committedView") this.#send(to, message);',
    by: ha,
  },
  {
    requirement: "HA-5",
    breaks: "a view with a card whose end nobody can prove is confirmed",
    file: "src/cluster/membership.ts",
    line: 'this.#enter(now, unknown.length === 0 ? "confirmed" : "unconfirmed", reason);',
    broken: 'this.#enter(now, unknown.length < 9 ? "confirmed" : "unconfirmed", reason);',
    by: ha,
  },
  {
    requirement: "HA-6",
    breaks: "a process that ends has left",
    file: "src/cluster/group.ts",
    line: 'const change = leaveRequest === undefined ? "exited" : "left";',
    broken: 'const change = leaveRequest === undefined ? "left" : "left";',
    by: ha,
  },
  {
    requirement: "HA-7",
    breaks: "a critical process that ends takes nothing down",
    file: "src/cluster/group.ts",
    line: "if (critical) {\n        local.isFailed = true;",
    broken: "if (critical && number < 0) {\n        local.isFailed = true;",
    by: ha,
  },
  {
    requirement: "HA-8",
    breaks: "a card delivers what it holds before it is committed",
    file: "src/cluster/delta.ts",
    line: "this.#onCommitted(now, message.committed, outputs);\n    const passed",
    broken: "this.#onCommitted(now, this.#log.held, outputs);\n    const passed",
    by: delta,
  },
  {
    requirement: "HA-9",
    breaks: "what was queued outlives its initiator",
    file: "src/cluster/delta.ts",
    line: "    this.#queue = [];\n    this.#queueHead = 0;\n    this.#queuedBytes.clear();\n    this.#taken.clear();",
    broken: "    this.#taken.clear();",
    by: delta,
  },
  {
    requirement: "HA-10",
    breaks: "a card that has seen a proposal does not pass it on",
    file: "src/cluster/delta.ts",
    line: "const isAgain = message.pass === this.#lastPass;\n    this.#lastPass",
    broken: "const isAgain = message.pass === this.#lastPass;\n    if (isAgain) return;\n    this.#lastPass",
    by: delta,
  },
  {
    requirement: "HA-11",
    breaks: "a message reaches the first client of a group only",
    file: "src/cluster/group.ts",
    line: "for (const client of this.#clients.values()) if (hears(client, group)) this.#tell(client.id, event);",
    broken: "for (const client of [...this.#clients.values()].slice(0, 1)) if (hears(client, group)) this.#tell(client.id, event);",
    by: ha,
  },
  {
    requirement: "HA-15",
    breaks: "two cards of five are a quorum",
    file: "src/cluster/quorum.ts",
    line: "if (2 * votes > electorate.length) return",
    broken: "if (3 * votes > electorate.length) return",
    by: ha,
  },
  {
    requirement: "SG-1",
    breaks: "each member transmits its subgroup's data",
    file: "src/cluster/exchange.ts",
    line: "if (leader !== this.#name) return [];",
    broken: "",
    by: sg,
  },
  {
    requirement: "SG-2",
    breaks: "the first of the list leads",
    file: "src/cluster/exchange.ts",
    line: "live.reduce((lowest, name) => name < lowest ? name : lowest)",
    broken: "live[0]",
    by: sg,
  },
  {
    requirement: "SG-3",
    breaks: "a new leader transmits what is there already",
    file: "src/cluster/exchange.ts",
    line: "if (data !== undefined) return [{",
    broken: "if (data !== undefined && this.#round === 1) return [{",
    by: sg,
  },
  {
    requirement: "SG-4",
    breaks: "the data is processed with the first acknowledgment",
    file: "src/cluster/exchange.ts",
    line: "if (!this.#subgroups.every(({ live }) => live.every((name) => this.#acknowledged.has(name)))) return [];",
    broken: "",
    by: sg,
  },
  {
    requirement: "SG-5",
    breaks: "a failure does not repeat the round",
    file: "src/cluster/exchange.ts",
    line: "this.#round++;\n    this.#acknowledged.clear();",
    broken: "",
    by: sg,
  },
  {
    requirement: "SG-6",
    breaks: "all who come are one subgroup, wherever they come from",
    file: "src/cluster/group.ts",
    line: "Map.groupBy(others, ({ previous }) => previous)",
    broken: "Map.groupBy(others, ({ previous }) => previous * 0)",
    by: sg,
  },
  {
    requirement: "SG-7",
    breaks: "a leader that was lost leads on",
    file: "src/cluster/exchange.ts",
    line: "subgroup.live = subgroup.live.filter((name) => !members.includes(name));",
    broken: "subgroup.live = subgroup.live.length < 3 ? subgroup.live : subgroup.live.filter((name) => !members.includes(name));",
    by: sg,
  },
];

const copy = new BrokenCopy([
  "src/base",
  "src/cluster",
  "src/config",
  "src/failover",
  "src/node",
  "src/sim",
  "src/wire",
  "src/limits.ts",
  "src/service.ts",
  "src/version.ts",
  "test/cluster",
  "test/node",
]);
test.after(() => copy.remove());

for (const file of [ha, sg, delta]) test(`${file} passes before a line is broken`, () => assert.equal(copy.failures(file), []));

for (const { requirement, breaks, file, line, broken, by } of bites) {
  test(`${requirement} bites when ${breaks}`, () => {
    const mend = copy.break(file, line, broken);
    try {
      const failures = copy.failures(by);
      assert.ok(failures.some((name) => name.startsWith(`${requirement}:`)), `what failed: ${failures.join("; ") || "nothing"}`);
    } finally {
      mend();
    }
  });
}

test.run();
