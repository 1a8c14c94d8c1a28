// runtime: node, because the work is done by spin and a C compiler
// timeout: 600
/**
 * The protocols of src/cluster/PROTOCOLS.md as models, checked by spin in all interleavings within the bounds given here;
 * README.md says more. Each rule is also broken once, and the property that it guards must notice.
 * CARDINAL_MODELS=deep takes the larger bounds too: half an hour and 5 GB.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endAll, endAllOnSignals, runToEnd } from "../../scripts/child.ts";

type Check = { readonly model: "membership" | "delta" | "exchange"; readonly bounds: string };
type Bite = Check & { readonly breaks: string; readonly property: string };

const isDeep = process.env["CARDINAL_MODELS"] === "deep";
const memoryMb = isDeep ? 5_000 : 2_000;
const checkMs = isDeep ? 1_800_000 : 120_000;

/** Two failures and more, in a corner where a wrong rule forgets: the sets of the views are given. */
const orderMadeAnew = "CARDS=3 VIEWS=4 DATA=0 CRASHES=3 RESTARTS SECOND=3 THIRD=6 FOURTH=7";
const joinInterrupted = "CARDS=3 VIEWS=3 DATA=1 CRASHES=2 RESTARTS SECOND=7 THIRD=6";
const orderOvertaken = "CARDS=3 VIEWS=3 DATA=2 CRASHES=1 RESTARTS FINISHES FIRST=3 SECOND=6 THIRD=7";
const syncInterrupted = "CARDS=3 VIEWS=4 DATA=2 CRASHES=1 FIRST=3 SECOND=3 THIRD=7 FOURTH=6";
const oneViewLater = "CARDS=3 VIEWS=2 DATA=1 CRASHES=1";
const oneRoundMore = "CARDS=3 VIEWS=2 CRASHES=1 WINDOW=2";

const holds: readonly Check[] = [
  { model: "membership", bounds: "CARDS=2 PROPOSALS=5 RESTARTS=3" },
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2 WITNESS" },
  { model: "membership", bounds: "CARDS=3 PROPOSALS=4 RESTARTS=2" },
  { model: "membership", bounds: "CARDS=3 PROPOSALS=3 RESTARTS=2 COLD" },
  { model: "membership", bounds: "CARDS=4 PROPOSALS=3 RESTARTS=1" },
  { model: "delta", bounds: "CARDS=2 VIEWS=3 DATA=1 CRASHES=2 RESTARTS" },
  { model: "delta", bounds: "CARDS=3 VIEWS=3 DATA=1 CRASHES=1" },
  { model: "delta", bounds: "CARDS=3 VIEWS=2 DATA=2 CRASHES=1" },
  { model: "delta", bounds: "CARDS=3 VIEWS=2 DATA=1 CRASHES=2 RESTARTS FINISHES" },
  { model: "delta", bounds: orderMadeAnew },
  { model: "delta", bounds: joinInterrupted },
  { model: "exchange", bounds: "CARDS=3 SHARED=3 VIEWS=2 CRASHES=1 WINDOW=3" },
  { model: "exchange", bounds: "CARDS=3 SHARED=1 VIEWS=3 CRASHES=2 WINDOW=2" },
  { model: "exchange", bounds: "CARDS=4 SHARED=3 VIEWS=2 CRASHES=1 WINDOW=1" },
  { model: "exchange", bounds: "CARDS=3 SHARED=3 LATE=4 VIEWS=3 CRASHES=1 WINDOW=2 TWICE=1" },
];

const holdsDeep: readonly Check[] = [
  { model: "membership", bounds: "CARDS=3 PROPOSALS=4 RESTARTS=2 COLD" },
  { model: "membership", bounds: "CARDS=4 PROPOSALS=3 RESTARTS=2" },
  { model: "membership", bounds: "CARDS=4 PROPOSALS=4 RESTARTS=1" },
  { model: "delta", bounds: "CARDS=2 VIEWS=3 DATA=2 CRASHES=2 RESTARTS" },
  { model: "delta", bounds: "CARDS=3 VIEWS=3 DATA=1 CRASHES=1 RESTARTS" },
  { model: "delta", bounds: orderOvertaken },
  { model: "exchange", bounds: "CARDS=3 SHARED=3 VIEWS=3 CRASHES=2 WINDOW=2 TWICE=1" },
  { model: "exchange", bounds: "CARDS=4 SHARED=3 VIEWS=2 CRASHES=1 WINDOW=2" },
  { model: "exchange", bounds: "CARDS=4 SHARED=3 LATE=8 VIEWS=3 CRASHES=1 WINDOW=1" },
];

const bites: readonly Bite[] = [
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2", breaks: "NUMBER", property: "equal_number_equal_members" },
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2 WITNESS", breaks: "NUMBER", property: "equal_number_equal_members" },
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2", breaks: "LATE_COMMIT", property: "number_only_grows" },
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2", breaks: "RESERVE", property: "promised_once" },
  { model: "membership", bounds: "CARDS=3 PROPOSALS=4 RESTARTS=2", breaks: "QUORUM", property: "two_quorums_share_a_card" },
  { model: "membership", bounds: "CARDS=4 PROPOSALS=3 RESTARTS=0", breaks: "HALF", property: "two_quorums_share_a_card" },
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2", breaks: "FRESH", property: "two_quorums_share_a_card" },
  { model: "membership", bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2", breaks: "STALE_RECEIPT", property: "two_quorums_share_a_card" },
  {
    model: "membership",
    bounds: "CARDS=2 PROPOSALS=4 RESTARTS=2 WITNESS",
    breaks: "WITNESS_OR_RECEIPTS",
    property: "two_quorums_share_a_card",
  },
  { model: "delta", bounds: oneViewLater, breaks: "HELD", property: "one_order" },
  { model: "delta", bounds: orderMadeAnew, breaks: "PREFIX", property: "one_order" },
  { model: "delta", bounds: oneViewLater, breaks: "LEAVE", property: "same_view_delivery" },
  { model: "delta", bounds: oneViewLater, breaks: "MARKS", property: "no_duplicates" },
  { model: "delta", bounds: oneViewLater, breaks: "RING", property: "committed_is_never_lost" },
  { model: "delta", bounds: syncInterrupted, breaks: "CUT", property: "committed_is_never_lost" },
  { model: "delta", bounds: joinInterrupted, breaks: "SKIP", property: "committed_is_never_lost" },
  { model: "delta", bounds: oneViewLater, breaks: "QUEUE", property: "queued_of_failed_initiator_is_not_sent" },
  { model: "delta", bounds: `${oneViewLater} FINISHES`, breaks: "RESEND", property: "all_is_delivered" },
  { model: "exchange", bounds: oneRoundMore, breaks: "UNORDERED", property: "same_group_data_everywhere" },
  { model: "exchange", bounds: oneRoundMore, breaks: "ACKNOWLEDGMENT", property: "exactly_one_per_subgroup" },
  { model: "exchange", bounds: oneRoundMore, breaks: "INDICATOR", property: "never_sent_twice_once_received" },
  { model: "exchange", bounds: oneRoundMore, breaks: "ROUND", property: "processed_only_after_a_clean_round" },
  { model: "exchange", bounds: oneRoundMore, breaks: "SAME_VIEW", property: "finishes" },
  { model: "exchange", bounds: oneRoundMore, breaks: "LEADER", property: "finishes" },
  { model: "exchange", bounds: oneRoundMore, breaks: "STALE", property: "finishes" },
];

const bitesDeep: readonly Bite[] = [
  { model: "delta", bounds: orderOvertaken, breaks: "GAP", property: "all_is_delivered" },
  { model: "membership", bounds: "CARDS=4 PROPOSALS=3 RESTARTS=2 COLD", breaks: "UNION", property: "two_quorums_share_a_card" },
];

const folder = fileURLToPath(new URL(".", import.meta.url));

async function perform(cwd: string, command: string, args: readonly string[]): Promise<string> {
  const { code, output, timedOut } = await runToEnd("env", ["-C", cwd, command, ...args], { timeoutMs: checkMs });
  assert.not(timedOut, `${command} takes longer than ${checkMs / 1000} s`);
  assert.is(code, 0, `${command}: ${output.slice(-2_000)}`);
  return output;
}

const places = new Set<string>();

function removePlaces(): void {
  for (const place of places) rmSync(place, { recursive: true, force: true });
}

endAllOnSignals(removePlaces);

/** Generates, compiles and runs one verifier; gives what it prints. What ends at once is not worth the compiler's time. */
async function verify(model: string, bounds: string, optimized: boolean): Promise<string> {
  const place = mkdtempSync(join(tmpdir(), "cardinal-model-"));
  places.add(place);
  try {
    await perform(place, "spin", ["-a", ...bounds.split(" ").map((bound) => `-D${bound}`), join(folder, `${model}.pml`)]);
    const options = [optimized ? "-O1" : "-O0", "-w", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE", "-DVECTORSZ=2048", `-DMEMLIM=${memoryMb}`];
    await perform(place, process.env["CC"] ?? "gcc", [...options, "-o", "pan", "pan.c"]);
    return await perform(place, "./pan", ["-n", "-m10000", "-w20"]);
  } finally {
    rmSync(place, { recursive: true, force: true });
    places.delete(place);
  }
}

/** What is wrong with a run that should have looked at everything and found nothing. */
function complaintOf(output: string): string | undefined {
  const isWhole = /errors: 0$/m.test(output) && !/not completed|too small|reached -DMEMLIM|aborted/i.test(output);
  return isWhole ? undefined : output.split("\n").filter((line) => /^pan:|errors:|Warning|error/.test(line)).join("\n");
}

const violatedIn = (output: string) => /assertion violated \(+(\w+)\|\|/.exec(output)?.[1];

type Job = { readonly name: string; readonly run: () => Promise<string | undefined> };

const jobs: readonly Job[] = [
  ...[...holds, ...(isDeep ? holdsDeep : [])].map(({ model, bounds }) => ({
    name: `${model} holds: ${bounds}`,
    run: async () => complaintOf(await verify(model, bounds, true)),
  })),
  ...[...bites, ...(isDeep ? bitesDeep : [])].map(({ model, bounds, breaks, property }) => ({
    name: `${model}: ${property} notices BITE_${breaks}: ${bounds}`,
    run: async () => {
      const violated = violatedIn(await verify(model, `${bounds} BITE_${breaks} ONLY=${property}`, false));
      return violated === property ? undefined : `found ${violated ?? "nothing"}`;
    },
  })),
];

const models = suite("models");

// Spin is a Debian package: npm cannot bring it, and who runs this file by itself may not have it. The skip is printed and counted, with its reason.
if (spawnSync("spin", ["-V"]).error !== undefined) {
  const reason = "spin cannot be run: install the Debian package spin, as `npm test` does";
  console.log(`skipped: ${reason}`);
  models.skip(reason);
} else {
  /** As many at once as there are cores, up to two; each test waits for its own. */
  const results = new Map<string, Promise<string | undefined>>();
  models.before(() => {
    const waiting = [...jobs];
    const settle = new Map<string, (result: Promise<string | undefined>) => void>();
    for (const { name } of jobs) results.set(name, new Promise((resolve) => settle.set(name, resolve)));
    const work = async () => {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
        const result = job.run().catch((error: unknown) => String(error));
        settle.get(job.name)?.(result);
        await result;
      }
    };
    for (let worker = 0; worker < Math.min(2, availableParallelism()); worker++) void work();
  });
  models.after(endAll);
  for (const { name } of jobs) models(name, async () => assert.is(await results.get(name), undefined));
}

models.run();
