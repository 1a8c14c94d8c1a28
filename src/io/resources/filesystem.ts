/**
 * File systems, mounted and unmounted by mount(8) and umount(8), which know what each type wants.
 *
 * A stop is done only when no mount of the file system is left in this namespace, and, for a block device, when it can be
 * opened exclusively: the kernel refuses that as long as anybody on this machine has it mounted, in whatever namespace. A lazy
 * unmount would hide a file system that is still written to, so it is never used. Whoever keeps it busy is ended: politely
 * at first, for a third of the time at most, then not.
 */
import { readFile, realpath, stat } from "node:fs/promises";
import { release } from "node:os";
import { setTimeout } from "node:timers/promises";
import { unreachable } from "../../base/assert.ts";
import type { HookKind, ResourceSpec } from "../../failover/resource.ts";
import { hookRetryMs, usersGraceMs, usersNamedMax } from "../../limits.ts";
import type { DeviceDriver, MountUser } from "../ports.ts";
import { answer, done, exitedWith, exitOf, type HookAnswer, type HookContext, inTime, type Keeper } from "./hook.ts";
import { type Mount, mountAt, readMounts } from "./mounts.ts";
import { findProgram, type Programs } from "./programs.ts";

export type FilesystemSpec = Extract<ResourceSpec, { readonly kind: "filesystem" }>;

/** What is mounted: a block device with its number, or what a type understands by itself. */
type Source = { readonly name: string; readonly number: string | undefined };
type Mistake = { readonly mistake: string };

const packages: Readonly<Record<string, string>> = {
  ext2: "e2fsprogs",
  ext3: "e2fsprogs",
  ext4: "e2fsprogs",
  xfs: "xfsprogs",
  btrfs: "btrfs-progs",
  vfat: "dosfstools",
  f2fs: "f2fs-tools",
  nfs: "nfs-common",
  nfs4: "nfs-common",
  cifs: "cifs-utils",
};

/** What fsck(8) exits with: sums of these. */
const fsckCorrected = 1;
const fsckReboot = 2;

/** Words among a file system's options that say that the kernel gave it up. */
const brokenOptions = ["emergency_ro", "shutdown"];

export class FilesystemKeeper implements Keeper<FilesystemSpec> {
  readonly #programs: Programs;
  readonly #devices: DeviceDriver;

  constructor(programs: Programs, devices: DeviceDriver) {
    this.#programs = programs;
    this.#devices = devices;
  }

  async perform(hook: HookKind, given: FilesystemSpec, context: HookContext): Promise<HookAnswer> {
    const spec = { ...given, mountPoint: given.mountPoint.replace(/(?<=.)\/+$/, "") };
    const mistake = wordingMistake(spec);
    if (mistake !== undefined) return answer("invalid", mistake);
    switch (hook) {
      case "validate":
        return await this.#validate(spec, context);
      case "start":
        return await this.#start(spec, context);
      case "stop":
        return await this.#stop(spec, context);
      case "monitor":
        return await this.#monitor(spec, context);
      case "announce":
        return done;
      default:
        return unreachable(hook);
    }
  }

  async #validate(spec: FilesystemSpec, context: HookContext): Promise<HookAnswer> {
    const source = await this.#sourceOf(spec, context);
    if ("mistake" in source) return answer("invalid", source.mistake);
    const mistake = await mountPointMistake(spec) ?? await typeMistake(spec) ?? await checkMistake(spec);
    return mistake === undefined ? done : answer("invalid", mistake);
  }

  async #start(spec: FilesystemSpec, context: HookContext): Promise<HookAnswer> {
    const source = await this.#sourceOf(spec, context);
    if ("mistake" in source) return answer("invalid", source.mistake);
    const mistake = await mountPointMistake(spec);
    if (mistake !== undefined) return answer("invalid", mistake);
    const mounts = await readMounts();
    const present = mountAt(mounts, spec.mountPoint);
    if (present !== undefined) return isOf(present, source) ? healthOf(present, spec) : answer("failed", othersMount(present, spec));
    const elsewhere = source.number === undefined ? undefined : mounts.find((mount) => mount.device === source.number);
    if (elsewhere !== undefined) return answer("failed", `${spec.device} is mounted at ${elsewhere.mountPoint} already`);
    const checked = await this.#check(spec, source, context);
    if (checked !== undefined) return checked;
    const options = spec.options.length === 0 ? [] : ["-o", spec.options.join(",")];
    const problem = await this.#call("mount", ["-t", spec.type, ...options, "--", source.name, spec.mountPoint], context, true);
    if (problem !== undefined) return problem;
    const mounted = mountAt(await readMounts(), spec.mountPoint);
    return mounted === undefined ? answer("failed", `mount said that it went well, and nothing is mounted at ${spec.mountPoint}`) : done;
  }

  /** What keeps it from being mounted; undefined when nothing does. */
  async #check(spec: FilesystemSpec, source: Source, context: HookContext): Promise<HookAnswer | undefined> {
    if (spec.check === "never" || source.number === undefined) return undefined;
    const program = await findProgram(`fsck.${spec.type}`);
    if (program === undefined) return answer("invalid", await checkMistake(spec) ?? "");
    // `-p` alone looks at what was not unmounted cleanly; only the ext family knows how to be made to look at all.
    const force = spec.check === "always" && spec.type.startsWith("ext") ? ["-f"] : [];
    const ending = await this.#programs.run(context, { program, arguments: ["-p", ...force, source.name] });
    const what = `fsck.${spec.type} ${source.name}`;
    const code = exitOf(what, ending);
    if (typeof code !== "number") return code;
    return (code & ~(fsckCorrected | fsckReboot)) === 0 ? undefined : exitedWith(what, code, ending.output);
  }

  async #stop(spec: FilesystemSpec, context: HookContext): Promise<HookAnswer> {
    const politeUntilMs = context.leftMs() - Math.min(usersGraceMs, context.leftMs() / 3);
    const source = await this.#sourceOf(spec, context);
    let wasMounted = false;
    let problem = "";
    for (;;) {
      const mount = mountAt(await readMounts(), spec.mountPoint);
      // A device that is gone is mounted all the same.
      if (mount === undefined || !("mistake" in source || isOf(mount, source))) break;
      wasMounted = true;
      const failed = await this.#unmount(spec, context);
      if (failed === undefined) continue;
      // A last try may have no time left; what the one before it met is what keeps it mounted.
      const isLate = failed.outcome === "timeout" && problem !== "";
      if (isLate) return await this.#stuck(answer("failed", problem), mount, spec);
      if (failed.outcome === "overtaken" || failed.outcome === "timeout") return await this.#stuck(failed, mount, spec);
      problem = failed.reason;
      if (context.leftMs() <= hookRetryMs) return await this.#stuck(failed, mount, spec);
      await this.#programs.users(mount.id, spec.mountPoint, context.leftMs() > politeUntilMs ? "SIGTERM" : "SIGKILL");
      await setTimeout(Math.min(hookRetryMs, context.leftMs()));
    }
    const proof = await this.#proveGone(spec, source, context);
    if (proof !== undefined) return answer(proof.outcome, problem === "" ? proof.reason : `${proof.reason}; ${problem}`);
    return wasMounted ? done : answer("notRunning", `nothing of ${spec.device} is mounted at ${spec.mountPoint}`);
  }

  /** Unmounts what is mounted below, deepest first, and then it. */
  async #unmount(spec: FilesystemSpec, context: HookContext): Promise<HookAnswer | undefined> {
    const below = (await readMounts()).map(({ mountPoint }) => mountPoint).filter((path) => path.startsWith(`${spec.mountPoint}/`));
    for (const path of [...below.reverse(), spec.mountPoint]) {
      const problem = await this.#call("umount", ["--", path], context, false);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  async #stuck(failed: HookAnswer, mount: Mount, spec: FilesystemSpec): Promise<HookAnswer> {
    const users = await this.#programs.users(mount.id, spec.mountPoint);
    const who = users.length === 0
      ? "no process uses it: an export of nfsd, a loop device, swap, or this card itself"
      : `in use by ${named(users)}`;
    return answer(failed.outcome, `${spec.mountPoint} is still mounted, ${who}; ${failed.reason}`);
  }

  /** What is left of it on this machine; undefined when nothing is. */
  async #proveGone(spec: FilesystemSpec, source: Source | Mistake, context: HookContext): Promise<HookAnswer | undefined> {
    if ("mistake" in source || source.number === undefined) return undefined;
    const left = (await readMounts()).find(({ device }) => device === source.number);
    if (left !== undefined) return answer("failed", `${spec.device} is still mounted at ${left.mountPoint}`);
    let reason = "";
    do {
      const given = await inTime(`opening ${source.name} exclusively`, context, async (signal) => {
        const port = await this.#devices.open(source.name, { exclusive: true, signal });
        await port.close();
        return done;
      });
      if (given.outcome === "done") return undefined;
      if (given.outcome !== "failed") return given;
      reason = given.reason;
      // Who had it a moment ago, udev to look at what changed, lets go of it soon.
      await setTimeout(Math.min(hookRetryMs, context.leftMs()));
    } while (context.leftMs() > hookRetryMs);
    return answer("failed", `it is not mounted here, but still in use, perhaps in another mount namespace: ${reason}`);
  }

  async #monitor(spec: FilesystemSpec, context: HookContext): Promise<HookAnswer> {
    const source = await this.#sourceOf(spec, context);
    const mount = mountAt(await readMounts(), spec.mountPoint);
    if (mount === undefined) return answer("notRunning", `nothing is mounted at ${spec.mountPoint}`);
    if ("mistake" in source) return answer("failed", source.mistake);
    if (!isOf(mount, source)) return answer("notRunning", othersMount(mount, spec));
    const health = healthOf(mount, spec);
    if (health.outcome !== "done") return health;
    // A block past all caches tells whether the device is alive; without one, the file system itself is asked.
    return await (source.number === undefined
      ? this.#call("stat", ["--file-system", "--", spec.mountPoint], context, false)
      : this.#call("dd", [`if=${source.name}`, "of=/dev/null", "bs=4096", "count=1", "iflag=direct", "status=none"], context, false)) ??
      done;
  }

  async #call(name: string, given: readonly string[], context: HookContext, remains: boolean): Promise<HookAnswer | undefined> {
    const program = await findProgram(name);
    if (program === undefined) return answer("invalid", `${name} is not installed`);
    const ending = await this.#programs.run(context, { program, arguments: given, remains });
    const code = exitOf(name, ending);
    if (typeof code !== "number") return code;
    return code === 0 ? undefined : exitedWith(name, code, ending.output);
  }

  async #sourceOf({ device }: FilesystemSpec, context: HookContext): Promise<Source | Mistake> {
    let path = device;
    if (/^(UUID|LABEL|PARTUUID|PARTLABEL)=/.test(device)) {
      const program = await findProgram("findfs");
      if (program === undefined) return { mistake: "findfs is not installed: install the Debian package util-linux" };
      const ending = await this.#programs.run(context, { program, arguments: [device] });
      const code = exitOf("findfs", ending);
      if (typeof code !== "number") return { mistake: code.reason };
      path = ending.output.trim();
      if (!path.startsWith("/")) return { mistake: `there is no device with ${device}` };
    }
    if (!path.startsWith("/")) return { name: path, number: undefined };
    try {
      const name = await realpath(path);
      const status = await stat(name);
      if (status.isBlockDevice()) return { name, number: `${major(status.rdev)}:${minor(status.rdev)}` };
      return status.isDirectory() ? { name, number: undefined } : { mistake: `${device} is no block device` };
    } catch (error) {
      return { mistake: `there is no device ${device} (${(error as NodeJS.ErrnoException).code ?? "unknown error"})` };
    }
  }
}

/** As glibc takes a device's number apart. */
function major(number: number): number {
  return Number((BigInt(number) >> 8n) & 0xfffn) + Number((BigInt(number) >> 32n) & 0xfffff000n);
}

function minor(number: number): number {
  return Number(BigInt(number) & 0xffn) + Number((BigInt(number) >> 12n) & 0xffffff00n);
}

/** Of a block device the number counts; btrfs has others of its own, and shows the device by name. */
function isOf(mount: Mount, { name, number }: Source): boolean {
  return number === undefined ? mount.source === name : mount.device === number || mount.source === name;
}

function othersMount({ mountPoint, source, type }: Mount, { device }: FilesystemSpec): string {
  return `at ${mountPoint} ${source} (${type}) is mounted, not ${device}`;
}

function healthOf({ options, superOptions }: Mount, spec: FilesystemSpec): HookAnswer {
  const broken = brokenOptions.find((word) => superOptions.includes(word));
  if (broken !== undefined) {
    return answer("failed", `the kernel has given up the file system at ${spec.mountPoint} after errors (${broken})`);
  }
  const isReadOnly = options.includes("ro") || superOptions.includes("ro");
  if (!isReadOnly || spec.options.includes("ro")) return done;
  return answer("failed", `the file system at ${spec.mountPoint} is read-only: the kernel does that after errors`);
}

function named(users: readonly MountUser[]): string {
  const some = users.slice(0, usersNamedMax).map(({ pid, name }) => `${name} (${pid})`).join(", ");
  return users.length > usersNamedMax ? `${some} and ${users.length - usersNamedMax} more` : some;
}

function wordingMistake({ device, mountPoint, type, options }: FilesystemSpec): string | undefined {
  if (!mountPoint.startsWith("/") || mountPoint === "/" || /\/(\.{1,2})?(\/|$)/.test(mountPoint)) {
    return `the mount point "${mountPoint}" must be an absolute path without . and .. that is not /`;
  }
  if (device === "" || device.startsWith("-")) return `"${device}" is no device, as /dev/sdb1, UUID=... or server:/path`;
  if (!/^[\w.-]+$/.test(type) || type.startsWith("-")) return `"${type}" is no type of a file system, as ext4`;
  const wrong = options.find((option) => option === "" || /[,\s]/.test(option));
  return wrong === undefined ? undefined : `the mount option "${wrong}" must be one word`;
}

async function mountPointMistake({ mountPoint }: FilesystemSpec): Promise<string | undefined> {
  // What is mounted there may not answer; then there is a directory below it.
  if (mountAt(await readMounts(), mountPoint) !== undefined) return undefined;
  try {
    return (await stat(mountPoint)).isDirectory() ? undefined : `the mount point ${mountPoint} is no directory`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? `the mount point ${mountPoint} is missing: make the directory` : `the mount point ${mountPoint}: ${code}`;
  }
}

/** What the kernel has, what it can load, and what has a program to mount it. */
async function typeMistake({ type }: FilesystemSpec): Promise<string | undefined> {
  const known = (await readFile("/proc/filesystems", "utf8")).split("\n").map((line) => line.split("\t")[1]);
  if (known.includes(type) || await findProgram(`mount.${type}`) !== undefined) return undefined;
  for (const list of ["modules.dep", "modules.builtin"]) {
    const text = await readFile(`/lib/modules/${release()}/${list}`, "utf8").catch(() => "");
    if (new RegExp(`/${type}\\.ko\\b`, "m").test(text)) return undefined;
  }
  const hint = packages[type] === undefined ? "" : `, and the Debian package ${packages[type]} may be missing`;
  return `this kernel has no file system "${type}"${hint}`;
}

async function checkMistake({ type, check, device }: FilesystemSpec): Promise<string | undefined> {
  if (check === "never" || !/^(\/|UUID=|LABEL=|PARTUUID=|PARTLABEL=)/.test(device) || await findProgram(`fsck.${type}`) !== undefined) {
    return undefined;
  }
  const hint = packages[type] === undefined ? "" : ` (Debian package ${packages[type]})`;
  return `fsck.${type} is not installed${hint}; without it, the check must be "never"`;
}
