// runtime: node, because the programs of scripts/ run on Node alone
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A tree of one package, with an npm that takes its time and notes each run, and a dpkg-query that knows the packages
 * given. The set-up under test is the real one; what it would download is not.
 */
class Tree {
  readonly path = mkdtempSync(join(tmpdir(), "cardinal-set-up-"));
  readonly #children: ChildProcess[] = [];

  constructor() {
    chmodSync(this.path, 0o755);
    mkdirSync(join(this.path, "scripts"));
    mkdirSync(join(this.path, "bin"));
    copyFileSync(join(root, "scripts/bootstrap.mjs"), join(this.path, "scripts/bootstrap.mjs"));
    const lock = { packages: { "": {}, "node_modules/one": { version: "1.0.0", integrity: "sha512-1" } } };
    this.write("package-lock.json", JSON.stringify(lock));
    this.program("dpkg-query", 'for name in "$@"; do case $name in -*|*{*) ;; *) echo "$name installed" ;; esac; done');
    const runtimes = [`node_modules/node-linux-${process.arch}/bin/node`, `node_modules/@deno/linux-${process.arch}-glibc/deno`];
    this.program(
      "npm",
      `echo begun >> npm.log
       rm -rf node_modules; mkdir -p node_modules/one node_modules/.bin
       sleep 0.5
       for file in ${runtimes.join(" ")}; do mkdir -p "$(dirname $file)"; printf '#!/bin/sh\\n' > $file; chmod +x $file; done
       cp package-lock.json node_modules/.package-lock.json
       echo ended >> npm.log`,
    );
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.path, path), text);
  }

  program(name: string, body: string): void {
    this.write(`bin/${name}`, `#!/bin/sh\n${body}\n`);
    chmodSync(join(this.path, "bin", name), 0o755);
  }

  start(mode: string, uid?: number): { child: ChildProcess; ended: Promise<{ code: number | null; said: string }> } {
    const { npm_execpath: _npm, ...environment } = process.env;
    const child = spawn(process.execPath, [join(this.path, "scripts/bootstrap.mjs"), mode], {
      env: { ...environment, PATH: `${join(this.path, "bin")}:${process.env["PATH"]}` },
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    this.#children.push(child);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (piece: string) => said += piece);
    const ended = new Promise<{ code: number | null; said: string }>((resolve) => child.once("close", (code) => resolve({ code, said })));
    return { child, ended };
  }

  run(mode: string, uid?: number): Promise<{ code: number | null; said: string }> {
    return this.start(mode, uid).ended;
  }

  npmLog(): string[] {
    const path = join(this.path, "npm.log");
    return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  }

  end(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.path, { recursive: true, force: true });
  }
}

function inTree(name: string, body: (tree: Tree) => Promise<void>): void {
  test(name, async () => {
    const tree = new Tree();
    try {
      await body(tree);
    } finally {
      tree.end();
    }
  });
}

inTree("the set-up says what it does, once, and a second run has nothing to do", async (tree) => {
  const first = await tree.run("run");
  assert.is(first.code, 0, first.said);
  assert.match(first.said, /^Setting up npm packages \.\.\. \d+\.\d s\n$/);
  assert.ok(existsSync(join(tree.path, "node_modules/.bin/node")));
  assert.ok(existsSync(join(tree.path, "node_modules/.bin/deno")));
  assert.equal(await tree.run("run"), { code: 0, said: "" });
  assert.equal(tree.npmLog(), ["begun", "ended"]);
});

inTree("packages that differ from package-lock.json are installed again", async (tree) => {
  await tree.run("run");
  for (const change of ['"version":"2.0.0","integrity":"sha512-1"', '"version":"2.0.0","integrity":"sha512-2"']) {
    tree.write("package-lock.json", `{"packages":{"":{},"node_modules/one":{${change}}}}`);
    assert.match((await tree.run("run")).said, "Setting up npm packages");
    assert.is((await tree.run("run")).said, "");
  }
  rmSync(join(tree.path, "node_modules/one"), { recursive: true });
  assert.match((await tree.run("run")).said, "Setting up npm packages");
});

inTree("a package for another machine is not missed", async (tree) => {
  const other = '"node_modules/two":{"version":"1.0.0","optional":true,"os":["linux"],"cpu":["mips"]}';
  await tree.run("run");
  tree.write("package-lock.json", `{"packages":{"":{},"node_modules/one":{"version":"1.0.0","integrity":"sha512-1"},${other}}}`);
  assert.is((await tree.run("run")).said, "");
});

inTree("two set-ups at once do not trample each other", async (tree) => {
  const first = tree.run("run");
  await sleep(200);
  const second = await tree.run("run");
  assert.is((await first).code, 0);
  assert.is(second.code, 0);
  assert.is(second.said, "Another set-up of this tree is at work; waiting for it.\n");
  assert.equal(tree.npmLog(), ["begun", "ended"]);
});

inTree("a set-up that was killed leaves nothing that counts as done", async (tree) => {
  const first = tree.start("run");
  for (let waited = 0; waited < 5_000 && tree.npmLog().length === 0; waited += 20) await sleep(20);
  first.child.kill("SIGKILL");
  await first.ended;
  // npm, which did not notice, still works in the tree; the next set-up waits for it and looks again.
  const second = await tree.run("run");
  assert.is(second.code, 0, second.said);
  assert.match(second.said, "waiting for it");
  assert.equal(tree.npmLog(), ["begun", "ended"]);
  assert.equal(await tree.run("run"), { code: 0, said: "" });
});

inTree("a failure says what failed, shows the end of its output and what to do", async (tree) => {
  tree.program("npm", "for line in $(seq 50); do echo line $line; done; echo no network >&2; exit 1");
  const { code, said } = await tree.run("run");
  assert.is(code, 1);
  assert.match(said, "Setting up npm packages ... failed\nnpm ci failed.");
  assert.match(said, "    line 50\n    no network\n");
  assert.not.match(said, "line 20\n");
  assert.match(said, "Check that the npm registry can be reached");
  assert.match(said, "All of it is in build/bootstrap.log.");
});

test("an unknown mode is refused with the modes there are", async () => {
  const tree = new Tree();
  try {
    assert.equal(await tree.run("walk"), { code: 1, said: "usage: node scripts/bootstrap.mjs run|addon|build|start|bench|test|check\n" });
  } finally {
    tree.end();
  }
});

const nobody = 65_534;
// A user namespace that maps root alone has nobody else to run as, and a Node below a private folder is not theirs to run.
const canRunAsNobody = spawnSync(process.execPath, ["--version"], { cwd: "/", uid: nobody, gid: nobody }).status === 0;
const asNobody = canRunAsNobody ? inTree : (name: string, _body: unknown) => test.skip(name);

asNobody("without root, missing Debian packages are named with the command that installs them", async (tree) => {
  tree.program("dpkg-query", "echo 'libstdc++6 installed'");
  chmodSync(tree.path, 0o777);
  const { code, said } = await tree.run("run", nobody);
  assert.is(code, 1);
  assert.match(said, "    sudo apt-get install --no-install-recommends libatomic1\n");
});

asNobody("without root and without user namespaces, it says what forbids them", async (tree) => {
  tree.program("unshare", "echo 'unshare: Operation not permitted' >&2; exit 1");
  const { code, said } = await tree.run("start", nobody);
  assert.is(code, 1);
  assert.match(said, "Cards need network namespaces. Run this as root");
  assert.match(said, "unshare says: unshare: Operation not permitted");
  assert.equal(tree.npmLog(), [], "it says so before it sets anything up");
});

test.run();
