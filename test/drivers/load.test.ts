/** How the addon gets from the bytes inside a single executable into the process. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadAddon } from "../../drivers/load.ts";
import { command, enterNamespaces, runCommand } from "../conformance/namespace.ts";

enterNamespaces(import.meta.url, ["--mount"]);

const program = runCommand(fileURLToPath(new URL("load-process.ts", import.meta.url)));

function load(how: "any" | "named", ...directories: string[]): string {
  return command(...program, how, ...directories).trimEnd();
}

function inDirectory(run: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-load-"));
  try {
    run(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Mounts a file system at a new directory of that name for as long as `run` takes. */
function withMount(directory: string, name: string, options: string, run: (path: string) => void): void {
  const path = join(directory, name);
  mkdirSync(path);
  command("mount", "-t", "tmpfs", "-o", options, "tmpfs", path);
  try {
    run(path);
  } finally {
    command("umount", path);
  }
}

test("CARD-1: the addon loads from an unnamed file and leaves nothing behind", () => {
  inDirectory((directory) => {
    assert.is(load("any", directory), "loaded");
    assert.equal(readdirSync(directory), []);
  });
});

test("CARD-1: the addon loads from a temporary file too, where unnamed ones are not supported, and leaves nothing behind", () => {
  inDirectory((directory) => {
    assert.is(load("named", directory), "loaded");
    assert.equal(readdirSync(directory), []);
  });
});

test("CARD-1: directories that are missing, read-only or noexec are passed over", () => {
  inDirectory((directory) => {
    withMount(directory, "noexec", "noexec", (noexec) => {
      withMount(directory, "read-only", "ro", (readOnly) => {
        assert.is(load("any", join(directory, "absent"), noexec, readOnly, directory), "loaded");
        assert.equal(readdirSync(noexec), []);
      });
    });
  });
});

test("CARD-1: when no directory allows it, the error lists each and why", () => {
  inDirectory((directory) => {
    const absent = join(directory, "absent");
    withMount(directory, "noexec", "noexec", (noexec) => {
      const message = load("any", absent, noexec);
      assert.match(message, "the native addon cannot be loaded: it needs one directory");
      for (const part of [`${absent} (unnamed file): ENOENT`, `${absent} (temporary file): ENOENT`]) assert.match(message, part);
      for (const kind of ["unnamed", "temporary"]) assert.match(message, `${noexec} (${kind} file): `);
      assert.match(message, "failed to map segment from shared object");
      assert.equal(readdirSync(noexec), []);
    });
  });
});

test("from sources the addon is loaded once", () => {
  assert.is(loadAddon(), loadAddon());
});

test.run();
