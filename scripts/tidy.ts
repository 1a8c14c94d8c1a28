/**
 * The law of the source tree: which layer may import which, what the core must not touch, and what no file may
 * contain. `npm run tidy` prints what breaks it and exits 1; `check` and `checkTree` are for its test.
 *
 * It reads tokens, not syntax trees: TypeScript's own scanner tells code from comments and strings, and each rule
 * is a short pattern of tokens. A line may be excused by a comment on it or above it that gives a reason:
 * `// tidy: <rule>: <reason>`.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { SyntaxKind } from "typescript/unstable/ast";
import { createScanner } from "typescript/unstable/ast/scanner";

export type Finding = {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
  readonly severity: "error" | "warning";
};

export type Surroundings = {
  /** The names of the packages that the product may import at run time. */
  readonly dependencies: ReadonlySet<string>;
  /** Whether the file at a path (from the root) holds a service, that is a class that implements `Service`. */
  readonly isService: (path: string) => boolean;
};

type Token = { readonly kind: SyntaxKind; readonly text: string; readonly value: string; readonly line: number };
type Source = { readonly path: string; readonly code: readonly Token[]; readonly comments: readonly Token[]; readonly lineCount: number };
type Import = { readonly specifier: string; readonly typeOnly: boolean; readonly line: number };
type Report = (line: number, rule: string, message: string) => void;

const afterOperand = new Set<SyntaxKind>([
  SyntaxKind.Identifier,
  SyntaxKind.PrivateIdentifier,
  SyntaxKind.NumericLiteral,
  SyntaxKind.BigIntLiteral,
  SyntaxKind.StringLiteral,
  SyntaxKind.RegularExpressionLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateTail,
  SyntaxKind.CloseParenToken,
  SyntaxKind.CloseBracketToken,
  SyntaxKind.CloseBraceToken,
  SyntaxKind.PlusPlusToken,
  SyntaxKind.MinusMinusToken,
  SyntaxKind.ThisKeyword,
  SyntaxKind.SuperKeyword,
  SyntaxKind.NullKeyword,
  SyntaxKind.TrueKeyword,
  SyntaxKind.FalseKeyword,
]);

/** Splits a source into tokens of code and comments. A slash after an operand divides; any other opens a regular expression. */
function read(path: string, text: string): Source {
  const scanner = createScanner(false, undefined, text);
  const code: Token[] = [];
  const comments: Token[] = [];
  const braces: ("block" | "template")[] = [];
  let line = 1;
  let counted = 0;
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFile; kind = scanner.scan()) {
    if (kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) {
      const previous = code.at(-1);
      if (previous === undefined || !afterOperand.has(previous.kind)) kind = scanner.reScanSlashToken();
    } else if (kind === SyntaxKind.TemplateHead) {
      braces.push("template");
    } else if (kind === SyntaxKind.OpenBraceToken) {
      braces.push("block");
    } else if (kind === SyntaxKind.CloseBraceToken) {
      if (braces.at(-1) === "template") kind = scanner.reScanTemplateToken(false);
      if (kind !== SyntaxKind.TemplateMiddle) braces.pop();
    }
    const start = scanner.getTokenStart();
    for (; counted < start; counted++) if (text.charCodeAt(counted) === 10) line++;
    if (kind === SyntaxKind.WhitespaceTrivia || kind === SyntaxKind.NewLineTrivia) continue;
    const token = { kind, text: scanner.getTokenText(), value: scanner.getTokenValue(), line };
    const isComment = kind === SyntaxKind.SingleLineCommentTrivia || kind === SyntaxKind.MultiLineCommentTrivia;
    (isComment ? comments : code).push(token);
  }
  return { path, code, comments, lineCount: text.split("\n").length - (text.endsWith("\n") ? 1 : 0) };
}

function importsOf(code: readonly Token[]): Import[] {
  const found: Import[] = [];
  for (const [index, token] of code.entries()) {
    if (token.kind !== SyntaxKind.ImportKeyword && token.kind !== SyntaxKind.ExportKeyword) continue;
    if (isMember(code, index)) continue;
    const next = code[index + 1];
    if (next?.kind === SyntaxKind.OpenParenToken) {
      const specifier = code[index + 2];
      if (specifier?.kind === SyntaxKind.StringLiteral) found.push({ specifier: specifier.value, typeOnly: false, line: token.line });
      continue;
    }
    const typeOnly = next?.kind === SyntaxKind.TypeKeyword;
    const clause = code[index + (typeOnly ? 2 : 1)];
    if (token.kind === SyntaxKind.ExportKeyword && clause?.text !== "{" && clause?.text !== "*") continue;
    if (next?.kind === SyntaxKind.DotToken) continue;
    // The specifier is what follows `from`, or stands alone; an export without one ends in its brace.
    for (let at = index + 1; at < code.length; at++) {
      const candidate = code[at] as Token;
      if (candidate.kind === SyntaxKind.StringLiteral) {
        found.push({ specifier: candidate.value, typeOnly, line: token.line });
        break;
      }
      if (candidate.kind === SyntaxKind.CloseBraceToken && code[at + 1]?.kind !== SyntaxKind.FromKeyword) break;
      if (candidate.kind === SyntaxKind.SemicolonToken || candidate.kind === SyntaxKind.EqualsToken) break;
    }
  }
  return found;
}

/** Whether the token is what follows a dot: a member's name, and no global. */
function isMember(code: readonly Token[], index: number): boolean {
  const previous = code[index - 1]?.kind;
  return previous === SyntaxKind.DotToken || previous === SyntaxKind.QuestionDotToken;
}

/** Whether the token names a key, a parameter or a method rather than a global. */
function isDeclaredName(code: readonly Token[], index: number): boolean {
  const next = code[index + 1]?.kind;
  const afterNext = code[index + 2]?.kind;
  const previous = code[index - 1]?.kind;
  const opens = previous === SyntaxKind.OpenBraceToken || previous === SyntaxKind.CommaToken || previous === SyntaxKind.SemicolonToken ||
    previous === SyntaxKind.OpenParenToken || previous === SyntaxKind.ReadonlyKeyword;
  return opens && (next === SyntaxKind.ColonToken || (next === SyntaxKind.QuestionToken && afterNext === SyntaxKind.ColonToken));
}

const services = ["cluster", "config", "failover", "storage"];
const everything = "everything";

type Law = {
  /** The layers whose values a layer may import, besides its own. */
  readonly values: readonly string[] | typeof everything;
  /** The layers of which it may import types only. */
  readonly types?: readonly string[];
  /** Single files of other layers whose values it may import. */
  readonly files?: readonly string[];
  /** The packages it may import, where not every dependency. */
  readonly packages?: readonly RegExp[];
};

const ground = ["base", "limits", "service"];
const laws: Readonly<Record<string, Law>> = {
  base: { values: [], packages: [] },
  limits: { values: ["base"], packages: [] },
  service: { values: [], types: ["base"], packages: [] },
  version: { values: [], packages: [] },
  wire: { values: ["base", "limits"], packages: [/^@noble\/hashes\//] },
  // What the cluster puts into the order has a form of its own; frames are none of its business.
  cluster: { values: ground, types: ["wire"], files: ["src/wire/cbor.ts"], packages: [] },
  config: {
    values: ground,
    types: ["wire", "cluster"],
    files: ["src/wire/cbor.ts"],
    packages: [/^drizzle-orm(\/|$)/, /^@noble\/hashes\//],
  },
  // The settings stand once: the configuration proves them, failover follows them.
  failover: {
    values: ground,
    types: ["wire", "cluster", "config"],
    files: ["src/config/settings.ts", "src/wire/cbor.ts"],
    packages: [],
  },
  // What all agree on travels as text, whoever agrees on it.
  storage: { values: ground, types: ["wire", "cluster", "config", "failover"], files: ["src/failover/service-text.ts"], packages: [] },
  node: { values: [...ground, "wire", ...services], packages: [] },
  io: {
    values: [...ground, "node", "wire", "config", "storage", "version"],
    types: ["cluster", "failover"],
    // The store's thread looks at the failover sets of its tables; the edge reads those that failover follows.
    files: ["src/failover/config.ts", "src/failover/set-check.ts", "src/failover/service-types.ts"],
  },
  // What an application loads: the protocol, and no more of a card than it takes to say what is in the way.
  client: {
    values: [...ground, "wire"],
    types: ["cluster"],
    files: ["src/io/application-wire.ts", "src/io/refusal.ts", "src/io/system-group.ts"],
    packages: [],
  },
  // A simulated store plans and applies by the very rules of the real one.
  sim: { values: [...ground, "node", "wire", "config"], types: services, packages: [] },
  api: { values: [...ground, "node", "ui", "config", "failover", "version"] },
  console: { values: [...ground, "node", "client", "config", "version"], types: ["failover"] },
  ui: { values: [...ground, "node", "version"] },
  drivers: { values: ["base", "limits"], types: ["io"] },
  firmware: { values: [...ground, "wire", "config", "io", "api", "console", "ui", "drivers", "node", "version"] },
  scripts: { values: everything },
  test: { values: everything },
};
const product = new Set(Object.keys(laws).filter((layer) => layer !== "scripts" && layer !== "test"));

/** Pure layers: a function of their inputs. */
const core = new Set(["base", "limits", "service", "wire", ...services, "node", "sim"]);
/** Programs and threads that run the core, in a folder of the core. */
const edges = new Set(["src/sim/main.ts", "src/sim/seed-worker.ts"]);

function layerOf(path: string): string {
  const [top, folder] = path.split("/");
  return top === "src" ? (folder ?? "").replace(/\.ts$/, "") : top ?? "";
}

function packageOf(specifier: string): string {
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function checkImports(source: Source, surroundings: Surroundings, report: Report): void {
  const layer = layerOf(source.path);
  const law = laws[layer];
  if (!law) {
    report(1, "layer", `${source.path} is in no layer; the layers are ${Object.keys(laws).join(", ")}`);
    return;
  }
  for (const { specifier, typeOnly, line } of importsOf(source.code)) {
    if (specifier.startsWith(".")) {
      checkLocalImport(
        source,
        law,
        normalize(join(dirname(source.path), specifier)),
        typeOnly,
        surroundings,
        (message) => report(line, "import", message),
      );
    } else if (/^(node|npm|jsr|https?|bun):/.test(specifier)) {
      if (!specifier.startsWith("node:")) {
        report(line, "import", `${specifier}: import the bare name, as package.json and deno.json have it`);
      } else if (core.has(layer) && !edges.has(source.path)) {
        report(line, "runtime", `${specifier}: the core runs without a runtime; return an effect and let its result come back as an input`);
      }
    } else if (product.has(layer)) {
      const name = packageOf(specifier);
      if (!typeOnly && !surroundings.dependencies.has(name)) {
        report(line, "import", `${name} is no dependency in package.json, so the binary does not have it`);
      } else if (law.packages && !law.packages.some((allowed) => allowed.test(specifier))) {
        report(line, "import", `${layer} may not import the package ${specifier}`);
      }
    }
  }
}

function checkLocalImport(
  source: Source,
  law: Law,
  target: string,
  typeOnly: boolean,
  surroundings: Surroundings,
  report: (message: string) => void,
): void {
  const from = layerOf(source.path);
  const to = layerOf(target);
  if (from === to) {
    if (services.includes(from) && !typeOnly && surroundings.isService(target)) {
      report(
        `a service may take only types from another service: import type ... from "${target}"; share what is pure in a file without a service`,
      );
    }
    return;
  }
  if (law.values === everything || law.values.includes(to) || law.files?.includes(target)) return;
  if (law.types?.includes(to)) {
    if (!typeOnly) report(`${from} may take only types from ${to}: import type ... from "${target}"`);
    return;
  }
  const allowed = [...law.values, ...(law.types ?? []).map((name) => `types of ${name}`)].join(", ") || "nothing";
  report(`${from} may not import ${to} (${target}): imports go one way, ${from} -> ${allowed}`);
}

const takeNow = "take `now` from step's argument; wall time comes in as an input";
const useDeadline = "keep the instant in the state and return it from deadline()";
const returnEffect = "return an effect and let its result come back as an input";
const drawFromPrng = "draw from a Prng given at construction (src/base/prng.ts)";

/** What the core must not name, with what replaces it. */
const bannedInCore = new Map<string, string>([
  ["Date", takeNow],
  ["performance", takeNow],
  ["setTimeout", useDeadline],
  ["setInterval", useDeadline],
  ["setImmediate", useDeadline],
  ["clearTimeout", useDeadline],
  ["clearInterval", useDeadline],
  ["clearImmediate", useDeadline],
  ["queueMicrotask", useDeadline],
  ["crypto", `${drawFromPrng}; hashes are in @noble/hashes`],
  ["Promise", returnEffect],
  ["process", `the core runs without a runtime; ${returnEffect}`],
  ["Deno", `the core runs without a runtime; ${returnEffect}`],
  ["require", "use an import"],
  ["globalThis", "name what is meant, so that this check sees it"],
  ["fetch", returnEffect],
  ["Worker", `the core is one thread; ${returnEffect}`],
  ["console", 'return a "log" effect'],
  ["WeakRef", "it shows when the garbage collector ran, which no seed replays"],
  ["FinalizationRegistry", "it shows when the garbage collector ran, which no seed replays"],
  ["Intl", "its results differ between machines, and a seed must not"],
]);
const bannedMembersInCore = new Map<string, string>([
  ["localeCompare", "its results differ between machines; compare with < and >"],
  ["toLocaleString", "its results differ between machines"],
]);

function checkCore(source: Source, report: Report): void {
  const { code } = source;
  for (const [index, token] of code.entries()) {
    if (isMember(code, index)) {
      const replacement = bannedMembersInCore.get(token.text);
      if (replacement) report(token.line, "core", `${token.text}: ${replacement}`);
      continue;
    }
    if (token.text === "Math" && code[index + 2]?.text === "random") report(token.line, "core", `Math.random(): ${drawFromPrng}`);
    const nextKind = code[index + 1]?.kind;
    if (token.kind === SyntaxKind.AwaitKeyword) report(token.line, "core", `await: ${returnEffect}`);
    else if (token.kind === SyntaxKind.AsyncKeyword && !isDeclaredName(code, index) && nextKind !== SyntaxKind.EqualsToken) {
      report(token.line, "core", `async: step is synchronous; ${returnEffect}`);
    } else if (token.kind === SyntaxKind.Identifier || token.kind === SyntaxKind.RequireKeyword) {
      const replacement = bannedInCore.get(token.text);
      if (replacement && !isDeclaredName(code, index)) report(token.line, "core", `${nameWithMember(code, index)}: ${replacement}`);
    }
  }
}

function nameWithMember(code: readonly Token[], index: number): string {
  const name = (code[index] as Token).text;
  return code[index + 1]?.kind === SyntaxKind.DotToken ? `${name}.${code[index + 2]?.text}` : name;
}

const linesMax = 800;
const emptyNames = /(^|-)(utils?|helpers?|common|misc|manager|handler|data|info|impl)$/;

function checkName(path: string, report: Report): void {
  const stem = basename(path).replace(/(\.(test|d))?\.[a-z]+$/, "");
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)) report(1, "name", `${path}: file names are kebab-case nouns`);
  else if (emptyNames.test(stem)) report(1, "name", `${path}: the name says nothing; call the file after what it holds`);
  else if (stem === "index" || stem === "mod") report(1, "name", `${path}: no barrels; call the file after what it holds`);
}

function checkSyntax(source: Source, report: Report): void {
  const { code, path } = source;
  const inProduct = product.has(layerOf(path));
  for (const [index, token] of code.entries()) {
    if (isMember(code, index)) {
      const ofTest = code[index - 2]?.text === "test" || code[index - 2]?.text === "suite";
      if (ofTest && token.text === "only") report(token.line, "only", "test.only silences every other test of its file");
      if (ofTest && token.text === "skip" && !commentNear(source, token.line)) {
        report(token.line, "skip", "a skipped test needs its reason in a comment above it");
      }
      continue;
    }
    const next = code[index + 1];
    const afterNext = code[index + 2];
    if (token.kind === SyntaxKind.EnumKeyword && next?.kind === SyntaxKind.Identifier && afterNext?.text === "{") {
      report(token.line, "enum", `enum ${next.text}: use a union of literals`);
    }
    if (token.text === "namespace" && next?.kind === SyntaxKind.Identifier && (afterNext?.text === "{" || afterNext?.text === ".")) {
      report(token.line, "namespace", `namespace ${next.text}: a file is the namespace`);
    }
    if (token.kind === SyntaxKind.ExportKeyword) {
      if (next?.kind === SyntaxKind.DefaultKeyword) report(token.line, "default", "export default: give the export its name");
      if (next?.text === "*" || (next?.kind === SyntaxKind.TypeKeyword && afterNext?.text === "*")) {
        report(token.line, "export", "export *: no barrels; import from where it is defined");
      }
    }
    if (inProduct && token.text === "Buffer" && !isDeclaredName(code, index)) report(token.line, "buffer", "Buffer: use Uint8Array");
    if (inProduct && token.text === "Deno" && !isDeclaredName(code, index) && !core.has(layerOf(path))) {
      report(token.line, "deno", `${nameWithMember(code, index)}: use the node: module, which both runtimes have`);
    }
  }
}

/** Whether a comment stands on the line or ends at most three above it. */
function commentNear(source: Source, line: number): boolean {
  return source.comments.some((comment) => {
    const end = comment.line + comment.text.split("\n").length - 1;
    return comment.line <= line && end >= line - 3;
  });
}

/** Patterns of text that no file of ours has. They are written so that they do not match themselves. */
const bannedText: readonly { readonly rule: string; readonly pattern: RegExp; readonly message: string }[] = [
  { rule: "path", pattern: /(?<![\w.~/-])\/(?:work|root|farm)\/[\w.]/, message: "a path of one machine" },
  {
    rule: "registry",
    pattern:
      /registry\.(?:npmjs|yarnpkg)\.|\bnpmjs\.(?:com|org)\b|\b(?:deb|security|ftp\.\w+)\.debian\.org\b|\bjsr\.io\b|\bcrates\.io\b|\bpypi\.org\b/,
    message: "the address of a registry",
  },
];
const bannedInProse: readonly { readonly rule: string; readonly pattern: RegExp; readonly message: string }[] = [
  { rule: "unfinished", pattern: /\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/, message: "finish it, or write down what is so and why" },
  {
    rule: "issue",
    pattern: /\bissues? #?\d+\b|(?:^|[\s(])#\d+\b/i,
    message: "a comment stands without the tracker: say the reason itself",
  },
];

function checkText(text: string, report: Report): void {
  for (const [index, line] of text.split("\n").entries()) {
    for (const { rule, pattern, message } of bannedText) {
      const match = pattern.exec(line);
      if (match) report(index + 1, rule, `"${match[0].trim()}" is ${message}`);
    }
  }
}

function checkProse(firstLine: number, text: string, report: Report): void {
  for (const [index, line] of text.split("\n").entries()) {
    for (const { rule, pattern, message } of bannedInProse) {
      const match = pattern.exec(line);
      if (match) report(firstLine + index, rule, `"${match[0].trim()}": ${message}`);
    }
  }
}

/** The comments of a C file, by line; strings that hold a comment's opening are not told apart, which errs to the strict side. */
function commentsOfC(text: string): { line: number; text: string }[] {
  return [...text.matchAll(/\/\*[^]*?\*\/|\/\/.*/g)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length,
    text: match[0],
  }));
}

/** What breaks the law in one file, given by its path from the root, with forward slashes. */
export function check(path: string, text: string, surroundings: Surroundings): Finding[] {
  const findings: Finding[] = [];
  const excused = new Map<number, string>();
  const report: Report = (line, rule, message) => {
    if (excused.get(line) === rule) return;
    findings.push({ path, line, rule, message, severity: rule === "length" ? "warning" : "error" });
  };
  const isTypeScript = path.endsWith(".ts");
  const isC = /\.[ch]$/.test(path);
  if (isTypeScript || isC) {
    checkName(path, report);
    const lineCount = text.split("\n").length - 1;
    if (lineCount > linesMax) report(1, "length", `${lineCount} lines: is there a pure sub-algorithm that wants a file of its own?`);
  }
  if (isTypeScript) {
    const source = read(path, text);
    for (const comment of source.comments) {
      const waiver = /^\/\/ tidy: (\w+): \S/.exec(comment.text);
      if (!waiver) continue;
      excused.set(comment.line, waiver[1] as string);
      excused.set(comment.line + 1, waiver[1] as string);
    }
    checkImports(source, surroundings, report);
    if (core.has(layerOf(path)) && !edges.has(path)) checkCore(source, report);
    checkSyntax(source, report);
    for (const comment of source.comments) checkProse(comment.line, comment.text, report);
  } else if (isC) {
    for (const comment of commentsOfC(text)) checkProse(comment.line, comment.text, report);
  } else if (path.endsWith(".md")) {
    checkProse(1, text, report);
  }
  checkText(text, report);
  return findings;
}

type Manifest = Readonly<Record<"dependencies" | "devDependencies" | "optionalDependencies", Readonly<Record<string, string>>>>;

/** What breaks the law in the package manifests, given as their texts. */
export function checkManifests(packageJson: string, denoJson: string, lock: string): Finding[] {
  const findings: Finding[] = [];
  const report = (path: string, message: string) => findings.push({ path, line: 1, rule: "package", message, severity: "error" });
  const manifest = JSON.parse(packageJson) as Manifest;
  const versions = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  const { imports } = JSON.parse(denoJson) as { imports: Record<string, string> };
  for (const [name, version] of Object.entries(versions)) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) report("package.json", `${name} ${version}: pin the exact version`);
  }
  for (const name of Object.keys(manifest.dependencies)) {
    if (!imports[name]) report("deno.json", `${name} is a dependency in package.json and no import here`);
  }
  for (const [name, specifier] of Object.entries(imports)) {
    const wanted = `npm:${name}@${versions[name]}`;
    if (specifier !== wanted) report("deno.json", `${name} is ${specifier} here and ${versions[name] ?? "nothing"} in package.json`);
  }
  if (/"resolved": "http/.test(lock)) {
    report("package-lock.json", "it names where packages were fetched; .npmrc has omit-lockfile-registry-resolved, so write it with npm");
  }
  return findings;
}

const folders = ["src", "drivers", "firmware", "scripts", "test", ".ci"];
const readable = /\.(ts|mjs|c|h|md|json|txt|cddl|html|css|sql|sh)$|(^|\/)(Makefile|run|\.npmrc|\.gitignore)$/;

function filesOf(root: string): string[] {
  const inRoot = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
  const below = folders.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(root, "/").length))
  );
  return [...inRoot, ...below].filter((path) => readable.test(path) && path !== "package-lock.json").sort();
}

/** What breaks the law in the tree at `root`. */
export function checkTree(root: string): Finding[] {
  const texts = new Map(filesOf(root).map((path) => [path, readFileSync(join(root, path), "utf8")]));
  const packageJson = texts.get("package.json") ?? "{}";
  const surroundings: Surroundings = {
    dependencies: new Set(Object.keys((JSON.parse(packageJson) as Manifest).dependencies)),
    isService: (path) => /\bimplements Service</.test(texts.get(path) ?? ""),
  };
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  return [
    ...[...texts].flatMap(([path, text]) => check(path, text, surroundings)),
    ...checkManifests(packageJson, texts.get("deno.json") ?? '{"imports":{}}', lock),
  ];
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const findings = checkTree(root);
  for (const { path, line, rule, message, severity } of findings) {
    console.log(`${path}:${line}: ${severity === "warning" ? "warning: " : ""}${message} [${rule}]`);
  }
  const errorCount = findings.filter((finding) => finding.severity === "error").length;
  console.log(errorCount === 0 ? "tidy" : `${errorCount} ${errorCount === 1 ? "breach" : "breaches"} of the law of the tree`);
  process.exitCode = errorCount === 0 ? 0 : 1;
}
