/**
 * The benchmarks: `npm run bench` lists them, `npm run bench -- NAME [ARGUMENT ...]` runs scripts/bench/NAME.ts in
 * place of this program. With `--json` each prints one line per figure instead of a table.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nearest } from "../src/base/nearest.ts";

const folder = fileURLToPath(new URL("bench/", import.meta.url));

/** A benchmark is a program of the folder that says so at its top; the others are what benchmarks share. */
const benchmarks = existsSync(folder)
  ? readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ name: file.slice(0, -".ts".length), text: readFileSync(`${folder}${file}`, "utf8") }))
    .filter(({ name, text }) => text.includes(`npm run bench -- ${name}`))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
  : [];

/** The first sentence of the comment at the top. */
function summaryOf(text: string): string {
  const comment = /^\/\*\*([^]*?)\*\//.exec(text)?.[1] ?? "";
  const plain = comment.replace(/^\s*\*\s?/gm, "").replace(/\s+/g, " ").trim();
  return /^.*?[.:](?= |$)/.exec(plain)?.[0].replace(/[.:]$/, "") ?? plain;
}

function list(): string {
  const width = Math.max(0, ...benchmarks.map(({ name }) => name.length));
  return benchmarks.map(({ name, text }) => `  ${name.padEnd(width)}  ${summaryOf(text)}`).join("\n");
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || name === "--help") {
  console.log(`Usage: npm run bench -- NAME [--json] [ARGUMENT ...]\n\n${list()}\n\nEach says more with NAME --help.`);
} else if (benchmarks.some((benchmark) => benchmark.name === name)) {
  process.execve?.(process.execPath, [process.execPath, `${folder}${name}.ts`, ...rest]);
} else {
  const meant = nearest(name, benchmarks.map((benchmark) => benchmark.name));
  console.error(`There is no benchmark ${name}.${meant === undefined ? "" : ` Did you mean ${meant}?`}\n\n${list()}`);
  process.exitCode = 2;
}
