import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { check, checkManifests, checkTree, type Surroundings } from "../scripts/tidy.ts";

const surroundings: Surroundings = {
  dependencies: new Set(["hono", "@noble/hashes"]),
  isService: (path) => path === "src/cluster/heartbeat.ts",
};

function messages(path: string, text: string): string[] {
  return check(path, text, surroundings).map(({ line, rule, message }) => `${line} ${rule}: ${message}`);
}

/** Text that the law bans, put together so that this file does not hold it. */
const joined = (...pieces: string[]) => pieces.join("");

type BadCase = { readonly path: string; readonly text: string; readonly says: string };

const core = "src/cluster/example.ts";
const edge = "src/io/example.ts";

const badCases: readonly BadCase[] = [
  {
    path: "src/base/example.ts",
    text: 'import { serialFrameBytesMax } from "../limits.ts";',
    says: "1 import: base may not import limits",
  },
  { path: "src/wire/example.ts", text: 'import { Node } from "../node/node.ts";', says: "1 import: wire may not import node" },
  { path: "src/wire/example.ts", text: 'import type { Node } from "../node/node.ts";', says: "1 import: wire may not import node" },
  { path: core, text: 'import { decode } from "../wire/frame.ts";', says: "1 import: cluster may take only types from wire" },
  { path: core, text: 'import { type Frame, decode } from "../wire/frame.ts";', says: "1 import: cluster may take only types from wire" },
  { path: core, text: 'import type { Replica } from "../config/replica.ts";', says: "1 import: cluster may not import config" },
  {
    path: "src/config/example.ts",
    text: 'import { Group } from "../cluster/group.ts";',
    says: "1 import: config may take only types from cluster",
  },
  { path: core, text: 'import { Heartbeat } from "./heartbeat.ts";', says: "1 import: a service may take only types from another service" },
  { path: "src/node/example.ts", text: 'import { run } from "../io/loop.ts";', says: "1 import: node may not import io" },
  {
    path: "src/sim/example.ts",
    text: 'import { Heartbeat } from "../cluster/heartbeat.ts";',
    says: "1 import: sim may take only types from cluster",
  },
  { path: edge, text: 'import { app } from "../api/app.ts";', says: "1 import: io may not import api" },
  { path: "src/api/example.ts", text: 'import { run } from "../io/loop.ts";', says: "1 import: api may not import io" },
  { path: "src/ui/example.ts", text: 'import { app } from "../api/app.ts";', says: "1 import: ui may not import api" },
  {
    path: "drivers/ether/example.ts",
    text: 'import { Loop } from "../../src/io/loop.ts";',
    says: "1 import: drivers may take only types from io",
  },
  { path: edge, text: 'import { main } from "../../scripts/test.ts";', says: "1 import: io may not import scripts" },
  { path: "firmware/example.ts", text: 'import { main } from "../test/tidy.test.ts";', says: "1 import: firmware may not import test" },
  { path: edge, text: 'const { main } = await import("../../scripts/test.ts");', says: "1 import: io may not import scripts" },
  { path: edge, text: 'export { main } from "../../scripts/test.ts";', says: "1 import: io may not import scripts" },
  { path: "src/attic/example.ts", text: "", says: "1 layer: src/attic/example.ts is in no layer" },
  { path: edge, text: 'import { test } from "uvu";', says: "1 import: uvu is no dependency in package.json" },
  { path: "src/wire/example.ts", text: 'import { Hono } from "hono";', says: "1 import: wire may not import the package hono" },
  { path: edge, text: 'import { Hono } from "npm:hono@4";', says: "1 import: npm:hono@4: import the bare name" },

  { path: core, text: 'import { readFileSync } from "node:fs";', says: "1 runtime: node:fs: the core runs without a runtime" },
  { path: core, text: "const at =\n  Date.now();", says: "2 core: Date.now: take `now` from step's argument" },
  { path: core, text: "const at = new Date();", says: "1 core: Date: take `now` from step's argument" },
  { path: core, text: "const at = performance.now();", says: "1 core: performance.now: take `now` from step's argument" },
  { path: core, text: "const at = process.hrtime();", says: "1 core: process.hrtime: the core runs without a runtime" },
  { path: core, text: "setTimeout(f, 5);", says: "1 core: setTimeout: keep the instant in the state" },
  { path: core, text: "const text = `at ${setInterval(f, 5)}`;", says: "1 core: setInterval: keep the instant in the state" },
  { path: core, text: "queueMicrotask(f);", says: "1 core: queueMicrotask: keep the instant in the state" },
  { path: core, text: "const die = Math.random();", says: "1 core: Math.random(): draw from a Prng" },
  { path: core, text: "crypto.getRandomValues(bytes);", says: "1 core: crypto.getRandomValues: draw from a Prng" },
  { path: core, text: "const done = Promise.resolve();", says: "1 core: Promise.resolve: return an effect" },
  { path: core, text: "async function step() {}", says: "1 core: async: step is synchronous" },
  { path: core, text: "await step();", says: "1 core: await: return an effect" },
  { path: core, text: "const name = globalThis.name;", says: "1 core: globalThis.name: name what is meant" },
  { path: core, text: "console.log(1);", says: '1 core: console.log: return a "log" effect' },
  { path: core, text: "fetch(place);", says: "1 core: fetch: return an effect" },
  { path: core, text: "const text = Deno.readTextFileSync(path);", says: "1 core: Deno.readTextFileSync: the core runs without" },
  { path: core, text: "names.sort((a, b) => a.localeCompare(b));", says: "1 core: localeCompare: its results differ" },
  { path: "src/sim/example.ts", text: "const at = Date.now();", says: "1 core: Date.now: take `now`" },

  { path: edge, text: "enum State { up }", says: "1 enum: enum State: use a union of literals" },
  { path: edge, text: "export namespace Links {}", says: "1 namespace: namespace Links" },
  { path: edge, text: "export default 1;", says: "1 default: export default: give the export its name" },
  { path: "test/example.ts", text: 'export * from "./other.ts";', says: "1 export: export *: no barrels" },
  { path: edge, text: "const bytes = Buffer.alloc(1);", says: "1 buffer: Buffer: use Uint8Array" },
  { path: edge, text: "const text = Deno.env;", says: "1 deno: Deno.env: use the node: module" },
  { path: "src/io/fileNames.ts", text: "", says: "1 name: src/io/fileNames.ts: file names are kebab-case nouns" },
  { path: "src/io/link-utils.ts", text: "", says: "1 name: src/io/link-utils.ts: the name says nothing" },
  { path: "drivers/ether/helper.c", text: "", says: "1 name: drivers/ether/helper.c: the name says nothing" },
  { path: "src/io/index.ts", text: "", says: "1 name: src/io/index.ts: no barrels" },
  { path: "src/io/long.ts", text: "\n".repeat(801), says: "1 length: 801 lines" },
  { path: edge, text: `\n/* ${joined("TO", "DO")}: later */`, says: "2 unfinished: " },
  { path: "drivers/ether/example.c", text: `int a;\n/* ${joined("FIX", "ME")} */`, says: "2 unfinished: " },
  { path: edge, text: `// see ${joined("issue", " 12")}`, says: "1 issue: " },
  { path: edge, text: `// done in ${joined("#", "12")}`, says: "1 issue: " },
  { path: "README.md", text: `In ${joined("issue ", "#3")} we said`, says: "1 issue: " },
  { path: edge, text: `const path = "${joined("/wo", "rk/main")}";`, says: "1 path: " },
  { path: "src/sim/seeds.txt", text: joined("/ro", "ot/.npm"), says: "1 path: " },
  { path: "README.md", text: joined("https://registry.npm", "js.org/hono"), says: "1 registry: " },
  { path: "test/example.test.ts", text: 'test.only("a", () => {});', says: "1 only: test.only silences" },
  { path: "test/example.test.ts", text: '\n\ntest.skip("a", () => {});', says: "3 skip: a skipped test needs its reason" },
];

for (const { path, text, says } of badCases) {
  test(`tidy finds "${says}" in ${path}`, () => {
    const found = messages(path, text);
    assert.is(found.length, 1, found.join("\n") || "nothing was found");
    assert.ok(found[0]?.startsWith(says), found[0]);
  });
}

const goodCases: readonly { readonly path: string; readonly text: string }[] = [
  { path: core, text: '// Date.now() is what we do not call\nconst text = "setTimeout(1)";' },
  { path: core, text: "const text = `a ${ { Date: 1 }.Date } Date.now()`;" },
  { path: core, text: 'const split = /"Date.now()`/.test(text) ? 6 / 2 : 1;' },
  { path: core, text: "type Card = { readonly process: string; performance?: number };" },
  { path: core, text: "const at = status.process.performance;" },
  { path: core, text: 'import type { Frame } from "../wire/frame.ts";\nimport { assert } from "../base/assert.ts";' },
  { path: core, text: 'import type { Heartbeat } from "./heartbeat.ts";\nimport { quorum } from "./quorum.ts";' },
  { path: core, text: 'export type { Frame };\nconst name = "../io/loop.ts";' },
  { path: "src/sim/main.ts", text: 'import { performance } from "node:perf_hooks";\nawait run(performance.now());' },
  { path: edge, text: "const at = Date.now();\nawait f();" },
  { path: edge, text: "// tidy: buffer: the library's type asks for it\nconst bytes = Buffer.alloc(1);" },
  { path: "test/example.test.ts", text: '// The kernel has no watchdog driver.\ntest.skip("a", () => {});' },
  { path: "test/example.test.ts", text: "const text = list.slice(1).filter(only).skip;" },
  { path: "src/wire/example.ts", text: 'import { sha256 } from "@noble/hashes/sha2.js";' },
  { path: "drivers/ether/example.ts", text: 'import type { EtherPort } from "../../src/io/ports.ts";\nconst color = "#123456";' },
];

for (const { path, text } of goodCases) {
  test(`tidy accepts ${JSON.stringify(text)} in ${path}`, () => {
    assert.equal(messages(path, text), []);
  });
}

test("tidy compares the package manifests", () => {
  const packageJson = (version: string) => JSON.stringify({ dependencies: { hono: version }, devDependencies: { uvu: "0.5.6" } });
  const denoJson = (imports: Record<string, string>) => JSON.stringify({ imports });
  const found = (...texts: [string, string, string]) => checkManifests(...texts).map(({ path, message }) => `${path}: ${message}`);

  assert.equal(found(packageJson("4.1.0"), denoJson({ hono: "npm:hono@4.1.0", uvu: "npm:uvu@0.5.6" }), "{}"), []);
  assert.match(found(packageJson("^4.1.0"), denoJson({ hono: "npm:hono@^4.1.0" }), "{}")[0] ?? "", "hono ^4.1.0: pin the exact version");
  assert.match(found(packageJson("4.1.0"), denoJson({}), "{}")[0] ?? "", "hono is a dependency in package.json and no import here");
  assert.match(
    found(packageJson("4.1.0"), denoJson({ hono: "npm:hono@4.0.9" }), "{}")[0] ?? "",
    "hono is npm:hono@4.0.9 here and 4.1.0 in package.json",
  );
  const lock = '{ "resolved": "https://example.net/hono.tgz" }';
  assert.match(found(packageJson("4.1.0"), denoJson({ hono: "npm:hono@4.1.0" }), lock)[0] ?? "", "it names where packages were fetched");
});

test("the tree is tidy", () => {
  const errors = checkTree(fileURLToPath(new URL("..", import.meta.url))).filter(({ severity }) => severity === "error");
  assert.equal(errors.map(({ path, line, message }) => `${path}:${line}: ${message}`), []);
});

test.run();
