/** A short run of the fuzzer, which must also have come to every place that it is for. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kindNumbers } from "../../src/wire/body.ts";
import { runCommand } from "../conformance/namespace.ts";

const program = fileURLToPath(new URL("../../scripts/fuzz.ts", import.meta.url));

function run(...arguments_: string[]): { status: number | null; output: string; complaint: string } {
  const [command, ...rest] = runCommand(program);
  const { status, stdout, stderr } = spawnSync(command, [...rest, ...arguments_], {
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  return { status, output: stdout, complaint: stderr };
}

test("damaged, forged and hostile input finds no exception, no hang, no growth and no belief", () => {
  const { status, output, complaint } = run("--seconds", "3");
  assert.is(status, 0, output + complaint);
  assert.match(output, /seed \d+: \d+ inputs in 3\.\d s, \d+ inputs\/s, 0 forged frames believed, heap grew by -?\d+\.\d MiB/);
  // Behind the tag, each kind is reached, and each reason to refuse; before it, nothing but the tag and the length decide.
  for (const kind of Object.keys(kindNumbers)) assert.match(output, `signed: accepted ${kind}`);
  for (const reason of ["cbor", "shape", "version", "system", "kind", "length"]) assert.match(output, `signed: ${reason}`);
  for (const outcome of ["tag", "length", "genuine"]) assert.match(output, `frame: ${outcome}`);
  assert.not.match(output, /frame: (cbor|shape|version|system|kind)/);
  for (const outcome of ["crc", "framing", "genuine"]) assert.match(output, `serial: ${outcome}`);
  for (const outcome of ["waiting", "joined", "cbor", "shape"]) assert.match(output, `fragments: ${outcome}`);
  for (const outcome of ["card", "neighbor", "order", "length"]) assert.match(output, `lldp: ${outcome}`);
});

test("one input is run again alone, and a wrong command line is said to be wrong", () => {
  assert.equal(run("--replay", "lldp:0000"), { status: 0, output: "order\n", complaint: "" });
  assert.equal(run("--replay", "frame:0001"), { status: 0, output: "length\n", complaint: "" });
  const wrong = run("--seconds", "soon");
  assert.is(wrong.status, 2);
  assert.match(wrong.complaint, /--seconds soon: a number/);
});

test.run();
