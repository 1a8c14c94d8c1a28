/**
 * Builds build/cardinal, one file with everything: the program bundled by esbuild as the ESM main of a Node single
 * executable application, the native addon as its asset.
 *
 *   node scripts/build.ts            builds unless it is up to date
 *   node scripts/build.ts --force    builds
 *   node scripts/build.ts --check    exits 1 when it is out of date
 *
 * Up to date means: the same sources, packages, addon, Node and version as noted in build/cardinal.json, which is
 * written after the binary is in its place.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join, relative } from "node:path";
import type { Plugin } from "esbuild";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const entry = "firmware/main.ts";
const storeEntry = "src/io/config-store/worker.ts";
const addon = "build/addon.node";
const output = "build/cardinal";
const record = "build/cardinal.json";

/**
 * A card lives long, and what it allocates for a message dies soon: a small young generation, and an old one that is
 * collected when it has grown by 30 % instead of being left to double. Under 8,000 ordered messages a second a card then
 * takes 96 MiB instead of 129, for as much CPU time. Compiled code is kept, however long it has not run: what a takeover needs
 * was rehearsed at the start, and to compile it again takes longer than all the rest.
 */
const execArgv = ["--max-semi-space-size=2", "--initial-old-space-size=12", "--heap-growing-percent=30", "--no-flush-bytecode"];

type Record = { readonly digest: string; readonly inputs: readonly string[] };

/** The version as the program says it: that of package.json, with the commit it was built from. */
function version(): string {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const described = spawnSync("git", ["describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"], { encoding: "utf8" });
  return `${version}+${described.status === 0 ? described.stdout.trim().replace("-", ".") : "unknown"}`;
}

/** What the binary follows from, when the bundle was made of `inputs`; or which of them is gone. */
function digestOf(inputs: readonly string[], versionText: string): string | { readonly missing: string } {
  const hash = createHash("sha256").update(JSON.stringify([process.version, process.arch, versionText, inputs]));
  for (const path of [...inputs, addon, "package-lock.json", "scripts/build.ts"]) {
    if (!existsSync(path)) return { missing: path };
    hash.update(createHash("sha256").update(readFileSync(path)).digest());
  }
  return hash.digest("hex");
}

function isUpToDate(versionText: string): boolean {
  if (!existsSync(output) || !existsSync(record)) return false;
  const { digest, inputs } = JSON.parse(readFileSync(record, "utf8")) as Record;
  return digest === digestOf(inputs, versionText);
}

/**
 * Node's larger modules are loaded when the code that asks for them runs, not at the start: a bundle's imports all
 * stand at its top, and a command like `status` would wait for the server's modules.
 */
const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup(build) {
    build.onResolve(
      { filter: /^(node:)?(http2?|crypto|net)$/ },
      ({ path, kind }) => kind === "import-statement" ? { path: path.replace(/^(?!node:)/, "node:"), namespace: "builtin" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};

/** Of zod's messages in fifty languages the program says its own, or the English ones: 300 kB less to hold for each card. */
const englishOnly: Plugin = {
  name: "english-only",
  setup(build) {
    build.onLoad(
      { filter: /\/zod\/v4\/locales\/index\.js$/ },
      () => ({ contents: 'export { default as en } from "./en.js";', loader: "js" }),
    );
  },
};

/**
 * The OpenAPI document is made here and goes in as text: its schemas and what reads them stay outside, 1 MiB less to
 * hold for each card. What it is made of is added to `inputs`.
 */
const builtDocument = (versionText: string, inputs: Set<string>): Plugin => ({
  name: "built-document",
  setup({ esbuild, onLoad }) {
    onLoad({ filter: /\/src\/api\/openapi\.ts$/ }, async ({ path }) => {
      const { metafile } = await esbuild.build({
        entryPoints: [path],
        bundle: true,
        platform: "node",
        format: "esm",
        packages: "external",
        write: false,
        metafile: true,
        logLevel: "silent",
        tsconfigRaw: {},
      });
      for (const input of Object.keys(metafile.inputs)) inputs.add(input);
      const { openApiDocument } = await import(pathToFileURL(path).href) as typeof import("../src/api/openapi.ts");
      const text = JSON.stringify(openApiDocument(versionText));
      return {
        contents: `const text = ${JSON.stringify(text)};
export function openApiDocument(version) {
  const document = JSON.parse(text);
  document.info.version = version;
  return document;
}`,
        loader: "js",
      };
    });
  },
});

/** What goes into the binary is for its own Node, and small. */
const bundling = {
  bundle: true,
  platform: "node",
  target: "node26",
  metafile: true,
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: "silent",
  tsconfigRaw: {},
} as const;

/**
 * Bundles the thread of the configuration's store, which is started from its text and so is a CommonJS script; returns its
 * sources. It is an asset and no string in the program, which would be held by both threads.
 */
async function bundleStoreTo(bundle: string): Promise<string[]> {
  const { build } = await import("esbuild");
  const { metafile } = await build({
    ...bundling,
    entryPoints: [storeEntry],
    format: "cjs",
    outfile: bundle,
    charset: "ascii",
  });
  const inputs = Object.keys(metafile.inputs);
  const heavy = inputs.find((path) => path.includes("/drizzle-orm/") || path.includes("/zod/"));
  if (heavy) throw new Error(`${heavy} got into the store's thread, which is to stay small: ${storeEntry} may import no such package`);
  return inputs;
}

/** Bundles the program to `bundle` and returns the sources of this repository that it is made of. */
async function bundleTo(bundle: string, versionText: string): Promise<string[]> {
  const { build } = await import("esbuild");
  const documentInputs = new Set<string>();
  const result = await build({
    ...bundling,
    entryPoints: [entry],
    format: "esm",
    outfile: bundle,
    plugins: [lateBuiltins, englishOnly, builtDocument(versionText, documentInputs)],
    define: { "globalThis.__CARDINAL_VERSION__": JSON.stringify(versionText) },
    // Packages in CommonJS ask for Node's own modules by a `require` that an ESM main does not have.
    banner: {
      js: 'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(process.execPath);',
    },
  });
  const inputs = Object.keys(result.metafile.inputs);
  const native = inputs.find((path) => path.endsWith(".node"));
  if (native) throw new Error(`${native} got into the bundle, which can hold no native code but ${addon}`);
  // A source with one letter beyond Latin-1 is held with two bytes for each letter of the whole program.
  const foreign = readFileSync(bundle, "utf8").split("\n").find((line) => /[^\0-\x7f]/.test(line));
  if (foreign !== undefined) {
    const at = foreign.search(/[^\0-\x7f]/);
    throw new Error(
      `the bundle has a letter that is not ASCII, which doubles its memory; escape it: ${foreign.slice(Math.max(0, at - 40), at + 20)}`,
    );
  }
  return ownSources([...inputs, ...documentInputs]);
}

/** Those of a bundle's inputs that are files of this repository. */
function ownSources(inputs: readonly string[]): string[] {
  return inputs.filter((path) => !path.startsWith("node_modules/") && !path.startsWith("builtin:"));
}

/**
 * Copies in small writes. What is written in large ones sits in the page cache in large folios, of which the kernel
 * maps all into a process that touches a part: 25 MiB more resident for each card that runs the file.
 */
function copyInSmallWrites(from: string, to: string): void {
  const chunk = new Uint8Array(64 * 1024);
  const source = openSync(from, "r");
  const target = openSync(to, "w", 0o755);
  for (let length = readSync(source, chunk); length > 0; length = readSync(source, chunk)) writeSync(target, chunk, 0, length);
  closeSync(source);
  closeSync(target);
}

/** Removes what builds left that were killed; one that is at work is younger. */
function removeLeftovers(): void {
  for (const name of readdirSync("build").filter((name) => name.startsWith("sea-"))) {
    if (Date.now() - statSync(join("build", name)).mtimeMs > 10 * 60_000) rmSync(join("build", name), { recursive: true, force: true });
  }
}

async function buildBinary(): Promise<void> {
  removeLeftovers();
  const versionText = version();
  const folder = mkdtempSync("build/sea-");
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

  const bundle = join(folder, "main.mjs");
  const storeBundle = join(folder, "config-store.js");
  const inputs = [...new Set([...await bundleTo(bundle, versionText), ...ownSources(await bundleStoreTo(storeBundle))])].sort();
  const digest = digestOf(inputs, versionText);
  if (typeof digest !== "string") throw new Error(`${digest.missing} is missing${digest.missing === addon ? ": npm run build:addon" : ""}`);

  const application = join(folder, "application");
  const configuration = join(folder, "sea-config.json");
  const settings = {
    main: bundle,
    mainFormat: "module",
    output: application,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    execArgv,
    execArgvExtension: "none",
    assets: { "addon.node": addon, "config-store.js": storeBundle },
  };
  writeFileSync(configuration, JSON.stringify(settings));
  // Under the program's own flags: V8 takes no code that was compiled under others, and says so on each start.
  execFileSync(process.execPath, [...execArgv, "--build-sea", configuration], { stdio: ["ignore", "ignore", "inherit"] });

  const fresh = join(folder, "cardinal");
  copyInSmallWrites(application, fresh);
  chmodSync(fresh, 0o755);
  renameSync(fresh, output);
  writeFileSync(join(folder, "record"), JSON.stringify({ digest, inputs } satisfies Record));
  renameSync(join(folder, "record"), record);
  console.log(`${relative(root, output)} ${versionText}, ${Math.round(statSync(output).size / 1024 / 1024)} MiB`);
}

process.chdir(root);
const flag = process.argv[2];
if (flag === "--check") {
  process.exitCode = isUpToDate(version()) ? 0 : 1;
} else if (flag === undefined && isUpToDate(version())) {
  console.log(`${output} is up to date`);
} else if (flag === undefined || flag === "--force") {
  try {
    await buildBinary();
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
} else {
  console.error(`usage: node scripts/build.ts [--force | --check], not ${flag}`);
  process.exitCode = 2;
}
