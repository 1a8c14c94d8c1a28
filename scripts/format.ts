/** Formats the sources, or the files given, as `npm run check` wants them; with `--check` it only names those that are not. */
import { spawnSync } from "node:child_process";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const deno = "node_modules/.bin/deno";

const files = process.argv.slice(2).filter((argument) => argument !== "--check");
const option = files.find((argument) => argument.startsWith("-"));
if (option !== undefined) {
  console.error(`format: ${option} is not an option; usage: npm run format [-- [--check] [FILE...]]`);
  process.exitCode = 2;
} else if (process.argv.includes("--check")) {
  const { status, stdout, stderr } = spawnSync(deno, ["fmt", "--check", ...files], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  const output = stripVTControlCharacters(stdout + stderr);
  const unformatted = [...output.matchAll(/^from (.+):$/gm)].map((match) => relative(".", match[1] as string));
  if (unformatted.length > 0) console.log([...unformatted.sort(), "", "`npm run format` formats them."].join("\n"));
  else if (status !== 0) console.log(output);
  process.exitCode = status ?? 1;
} else {
  process.exitCode = spawnSync(deno, ["fmt", ...files], { stdio: "inherit" }).status ?? 1;
}
