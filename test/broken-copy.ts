/**
 * A copy of sources and tests in which one line is broken, to see that a named test notices: a test that would pass anyway guards nothing.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../", import.meta.url));

export class BrokenCopy {
  readonly #folder: string;

  /** `paths`: what is copied, files and folders, from the root. */
  constructor(paths: readonly string[]) {
    mkdirSync(join(root, "build"), { recursive: true });
    this.#folder = mkdtempSync(join(root, "build", "bite-"));
    for (const path of paths) cpSync(join(root, path), join(this.#folder, path), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.#folder, "node_modules"));
    writeFileSync(join(this.#folder, "package.json"), '{ "type": "module" }');
  }

  /** Breaks a line that is in the file exactly once; tells how to mend it. */
  break(file: string, line: string, broken: string): () => void {
    const path = join(this.#folder, file);
    const text = readFileSync(path, "utf8");
    assert.is(text.split(line).length, 2, `${file} has the guarded line exactly once: ${line}`);
    writeFileSync(path, text.replace(line, () => broken));
    return () => writeFileSync(path, text);
  }

  /** The names of the tests of a file that fail; of a file that does not even run to its end, its own name. */
  failures(file: string, patienceMs = 60_000): string[] {
    const path = join(this.#folder, file);
    const { status, stdout } = spawnSync(process.execPath, [path], {
      cwd: this.#folder,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
      timeout: patienceMs,
      killSignal: "SIGKILL",
    });
    if (status === 0) return [];
    const names = [...stdout.matchAll(/FAIL\s+"(.*)"/g)].map((match) => match[1] as string);
    return names.length > 0 ? names : [file];
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
