/** Formats the sources as `npm run check` wants them; with `--check` it only names those that are not. */
import { spawnSync } from "node:child_process";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const deno = "node_modules/.bin/deno";

if (process.argv[2] === "--check") {
  const { status, stdout, stderr } = spawnSync(deno, ["fmt", "--check"], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const output = stripVTControlCharacters(stdout + stderr);
  const files = [...output.matchAll(/^from (.+):$/gm)].map((match) => relative(".", match[1] as string));
  if (files.length > 0) console.log([...files.sort(), "", "`npm run format` formats them."].join("\n"));
  else if (status !== 0) console.log(output);
  process.exitCode = status ?? 1;
} else {
  process.exitCode = spawnSync(deno, ["fmt"], { stdio: "inherit" }).status ?? 1;
}
