/**
 * Sets up what a program of this repository needs, each part only when it is missing or out of date, and returns;
 * the npm script then runs its program with the pinned Node. Plain JavaScript, because the machine's own Node 20 runs it.
 *
 *   node scripts/bootstrap.mjs run      the npm packages, with the pinned Node and Deno
 *   node scripts/bootstrap.mjs addon    and the native addon with its compiler
 *   node scripts/bootstrap.mjs build    and the compiled binary and the tools of the virtual chassis
 *   node scripts/bootstrap.mjs start    the same, where network namespaces can be made
 *   node scripts/bootstrap.mjs test     and the Debian packages that tests use; so `check` and `bench` with theirs
 *
 * What is there is looked at without a lock. Before something is done, a lock is taken by flock(1), so that two of
 * them at once do not trample each other; the kernel drops it with its last holder, however that ended.
 * Nothing is taken for done on the strength of a mark made before it was: npm writes its hidden lock file last, make
 * and the build rename their results into place, and dpkg knows what it has configured.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const logFile = "build/bootstrap.log";
const pinnedNode = "node_modules/.bin/node";
const pinnedDeno = "node_modules/.bin/deno";

/** What the pinned Node is linked to, and what each part needs beyond it. */
const debianFor = {
  node: ["libatomic1", "libstdc++6"],
  addon: ["gcc", "libc6-dev", "make"],
  chassis: ["iproute2"],
  test: [
    "curl",
    "e2fsprogs",
    "etcd-server",
    "fio",
    "libnbd-bin",
    "lldpd",
    "nginx-light",
    "openssl",
    "procps",
    "qemu-utils",
    "resource-agents",
    "spin",
    "sqlite3",
    "stress-ng",
    "tshark",
  ],
  check: ["clang", "libclang-rt-dev"],
  bench: [
    "stress-ng",
    "corosync",
    "curl",
    "keepalived",
    "libcpg-dev",
    "nginx-light",
    "pacemaker",
    "pacemaker-cli-utils",
    "resource-agents",
    "etcd-server",
    "etcd-client",
    "fio",
    "libnbd-bin",
    "nbdkit",
    "qemu-system-common",
    "qemu-utils",
  ],
};

/** The services that packages bring, where they would speak or serve by themselves. */
const servicesOf = {
  lldpd: ["lldpd"],
  corosync: ["corosync"],
  keepalived: ["keepalived"],
  "nginx-light": ["nginx"],
  pacemaker: ["pacemaker"],
  "resource-agents": ["logd"],
};

class SetupError extends Error {}

let lock;
let logBytes = 0;

/**
 * Runs a command to its end with its output in the log file; true when it succeeded. With `keepsLock` it holds the lock
 * too, so that the next set-up waits for it also when this one was interrupted and it has not noticed yet.
 */
function run(command, args, { environment = {}, keepsLock = false } = {}) {
  const log = openSync(logFile, "a");
  logBytes = fstatSync(log).size;
  const stdio = ["ignore", log, log, ...(keepsLock ? [lock] : [])];
  const result = spawnSync(command, args, { stdio, env: { ...process.env, ...environment } });
  closeSync(log);
  if (result.signal === "SIGINT" || result.signal === "SIGTERM") process.exit(130);
  return result.status === 0;
}

/** Runs a command and gives what it prints; undefined when there is no such command. */
function ask(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8" });
  if (result.error) return undefined;
  return { ok: result.status === 0, status: result.status, output: result.stdout };
}

/** The end of what the last command printed. */
function logTail() {
  const lines = readFileSync(logFile).subarray(logBytes).toString().trimEnd().split("\n").slice(-20);
  return lines.map((line) => `    ${line}`).join("\n");
}

function requireSuccess(ok, what, advice) {
  if (ok) return;
  throw new SetupError(`${what} failed. The end of its output:\n${logTail()}\n${advice}\nAll of it is in ${logFile}.`);
}

function parse(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * The pinned runtimes' own files. npm's entries for them do not serve: that of Deno is a script that starts the real
 * one and does not pass signals on, and npm 9 and 10 make none for Node, because two packages have one of that name.
 */
const pinnedFiles = {
  [pinnedNode]: `node_modules/node-linux-${process.arch}/bin/node`,
  [pinnedDeno]: `node_modules/@deno/linux-${process.arch}-glibc/deno`,
};

function linksTo(link, target) {
  try {
    return realpathSync(link) === realpathSync(target);
  } catch {
    return false;
  }
}

function fitsHere(constraint, value) {
  return constraint === undefined || [constraint].flat().includes(value);
}

/** What npm would have to do, in words; undefined when node_modules is what package-lock.json says. */
function packagesDiffer() {
  const wanted = parse("package-lock.json")?.packages;
  if (!wanted) throw new SetupError("package-lock.json cannot be read. Take it from the repository again: git checkout package-lock.json");
  const present = parse("node_modules/.package-lock.json")?.packages;
  if (!present) return "none are installed";
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "" || entry.link) continue;
    const installed = present[path];
    if (!installed && entry.optional && !(fitsHere(entry.os, process.platform) && fitsHere(entry.cpu, process.arch))) continue;
    if (installed?.version !== entry.version || installed?.integrity !== entry.integrity) return `${path} differs`;
    if (!existsSync(path)) return `${path} is gone`;
  }
  const extra = Object.keys(present).find((path) => !wanted[path]);
  return extra ? `${extra} is not in package-lock.json` : undefined;
}

function runtimesAreLinked() {
  return Object.entries(pinnedFiles).every(([link, file]) => linksTo(link, file));
}

const packages = {
  title: () => "npm packages",
  isNeeded: () => packagesDiffer() !== undefined || !runtimesAreLinked(),
  perform() {
    if (packagesDiffer() !== undefined) {
      // npm's own Node runs npm: the one on the path may be the pinned one, which lies in what `npm ci` replaces.
      const { npm_execpath: npm, npm_node_execpath: node } = process.env;
      const command = npm?.endsWith("npm-cli.js") && node && existsSync(node) ? [node, npm] : ["npm"];
      const flags = ["--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
      requireSuccess(
        run(command[0], [...command.slice(1), "ci", ...flags], { keepsLock: true }),
        "npm ci",
        "Check that the npm registry can be reached and that the disk has 1 GB free, then try again.",
      );
    }
    for (const [link, file] of Object.entries(pinnedFiles)) {
      if (!existsSync(file)) {
        throw new SetupError(
          `npm installed no ${file}: it exists for Linux with glibc on x64 and arm64, and this is ${process.platform} on ${process.arch}.`,
        );
      }
      if (!linksTo(link, file)) {
        const fresh = `${link}.${process.pid}`;
        rmSync(fresh, { force: true });
        symlinkSync(join("..", relative("node_modules", file)), fresh);
        renameSync(fresh, link);
      }
      requireSuccess(run(link, ["--version"]), `${link} --version`, "Remove node_modules and try again.");
    }
  },
};

function missingDebianPackages(names) {
  const answer = ask("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status}\n", ...names]);
  if (answer === undefined) return undefined;
  const installed = new Set(answer.output.split("\n").filter((line) => line.endsWith(" installed")).map((line) => line.split(" ")[0]));
  return names.filter((name) => !installed.has(name));
}

function debianPackages(names) {
  const missing = () => missingDebianPackages(names);
  const install = (list) =>
    run("apt-get", ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", ...list], {
      environment: { DEBIAN_FRONTEND: "noninteractive" },
    });
  const haveLists = () => existsSync("/var/lib/apt/lists") && readdirSync("/var/lib/apt/lists").some((name) => name.includes("_Packages"));
  const update = () =>
    requireSuccess(run("apt-get", ["update"]), "apt-get update", "Check the machine's network and /etc/apt/sources.list, then try again.");
  return {
    title: () => `Debian packages ${missing()?.join(" ")}`,
    isNeeded() {
      const list = missing();
      if (list === undefined) {
        console.error(`This is no Debian system (dpkg-query is missing). Needed, and taken to be there: ${names.join(" ")}`);
      }
      return list !== undefined && list.length > 0;
    },
    perform() {
      const list = missing();
      const command = `apt-get install --no-install-recommends ${list.join(" ")}`;
      if (process.getuid() !== 0) {
        throw new SetupError(`These Debian packages are missing, and only root can install them. Run:\n    sudo ${command}`);
      }
      // They run in namespaces of ours; their services must not start to speak on this machine's real network.
      const services = existsSync("/run/systemd/system") ? list.flatMap((name) => servicesOf[name] ?? []) : [];
      for (const name of services) run("systemctl", ["mask", `${name}.service`]);
      if (!haveLists()) update();
      else if (!run("apt-get", ["check"])) run("dpkg", ["--configure", "-a"]);
      if (!install(list)) {
        update();
        requireSuccess(install(list), command, "Run that command by hand and mend what it complains about, then try again.");
      }
      const left = missing();
      if (left.length > 0) throw new SetupError(`apt-get succeeded, but these packages are still missing: ${left.join(" ")}`);
    },
  };
}

const addon = {
  title: () => "native addon",
  // make says 1 when something is out of date, and 2 when it cannot tell; then the real run shows why.
  isNeeded: () => ask("make", ["-q", "-C", "drivers"])?.status !== 0,
  perform() {
    requireSuccess(
      run("make", ["-s", "-C", "drivers"], { keepsLock: true }),
      "make -C drivers",
      "Mend what the compiler complains about; `make -C drivers clean` starts afresh.",
    );
  },
};

const binary = {
  title: () => "build/cardinal",
  isNeeded: () => ask(pinnedNode, ["scripts/build.ts", "--check"])?.status !== 0,
  perform() {
    requireSuccess(
      run(pinnedNode, ["scripts/build.ts"], { keepsLock: true }),
      "scripts/build.ts",
      "Mend what it complains about and try again.",
    );
  },
};

function readKernel(path) {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Cards live in network namespaces: root makes them as it is, anybody else inside a user namespace. */
function requireNamespaces() {
  if (process.getuid() === 0) return;
  const probe = spawnSync("unshare", ["-Urnm", "--", "mount", "-t", "tmpfs", "tmpfs", "/run"], { encoding: "utf8" });
  if (probe.status === 0) return;
  const reasons = [];
  if (readKernel("/proc/sys/kernel/unprivileged_userns_clone") === "0") reasons.push("sysctl -w kernel.unprivileged_userns_clone=1");
  if (readKernel("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1") {
    reasons.push("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
  }
  for (const kind of ["user", "net", "mnt"]) {
    if (readKernel(`/proc/sys/user/max_${kind}_namespaces`) === "0") reasons.push(`sysctl -w user.max_${kind}_namespaces=1000`);
  }
  const advice = reasons.length > 0
    ? `The kernel forbids them. Allow them as root:\n${reasons.map((reason) => `    ${reason}`).join("\n")}`
    : "No setting that is known to forbid them is set: a container's seccomp profile may, or the kernel lacks CONFIG_USER_NS.";
  const said = (probe.stderr ?? String(probe.error)).trim();
  throw new SetupError(
    `Cards need network namespaces. Run this as root, or where a user may make them in a user namespace.\nunshare says: ${said}\n${advice}`,
  );
}

const debian = (...parts) => debianPackages(parts.flatMap((part) => debianFor[part]));
const modes = {
  run: [debian("node"), packages],
  addon: [debian("node", "addon"), packages, addon],
  build: [debian("node", "addon", "chassis"), packages, addon, binary],
  start: [debian("node", "addon", "chassis"), packages, addon, binary],
  bench: [debian("node", "addon", "chassis", "bench"), packages, addon, binary],
  test: [debian("node", "addon", "chassis", "test"), packages, addon, binary],
  check: [debian("node", "addon", "chassis", "test", "check"), packages, addon, binary],
};

function performAll(steps) {
  for (const step of steps) {
    if (!step.isNeeded()) continue;
    const startedAt = performance.now();
    process.stderr.write(`Setting up ${step.title()} ...`);
    try {
      step.perform();
    } catch (error) {
      process.stderr.write(" failed\n");
      throw error;
    }
    process.stderr.write(` ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
  }
}

/** Takes the lock of this tree, waiting for whoever has it. It stands as long as this process or a child has the file open. */
function takeLock() {
  lock = openSync("build/bootstrap.lock", "w");
  const flock = (...flags) => spawnSync("flock", [...flags, "3"], { stdio: ["ignore", "inherit", "inherit", lock] });
  const first = flock("-n");
  if (first.error) throw new SetupError(`flock(1) cannot be run (Debian package util-linux): ${first.error.message}`);
  if (first.status === 0) return;
  console.error("Another set-up of this tree is at work; waiting for it.");
  if (flock().status !== 0) throw new SetupError("Waiting for the other set-up was interrupted.");
}

function main() {
  const mode = process.argv[2];
  const steps = modes[mode];
  if (!steps) throw new SetupError(`usage: node scripts/bootstrap.mjs ${Object.keys(modes).join("|")}`);
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) {
    throw new SetupError(`Node ${process.versions.node} is too old: Node 20 or later is needed to set up (it brings its own Node to run).`);
  }
  if (process.platform !== "linux") throw new SetupError(`Cardinal runs on Linux; this is ${process.platform}.`);
  process.chdir(root);
  if (mode === "start" || mode === "test" || mode === "check") requireNamespaces();
  if (!steps.some((step) => step.isNeeded())) return 0;
  mkdirSync("build", { recursive: true });
  takeLock();
  rmSync(logFile, { force: true });
  performAll(steps);
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error instanceof SetupError ? error.message : `The set-up failed: ${error.stack}`);
  process.exitCode = 1;
}
