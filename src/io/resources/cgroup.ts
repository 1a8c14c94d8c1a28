/** The directory in which a card's resources get cgroups of their own: below the card's own cgroup, in the hierarchy of version 2. */
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { readMounts } from "./mounts.ts";

/** An existing directory; "" where there are no such cgroups, or where this process may not make any. */
export async function cgroupDirectory(name: string): Promise<string> {
  try {
    const mount = (await readMounts()).find(({ type }) => type === "cgroup2");
    const own = (await readFile("/proc/self/cgroup", "utf8")).split("\n").find((line) => line.startsWith("0::"))?.slice(3);
    // A path that leads out of what is mounted here is that of another namespace.
    if (mount === undefined || own === undefined || own.includes("..")) return "";
    const directory = join(mount.mountPoint, own, `cardinal.${name}`);
    await mkdir(directory, { recursive: true });
    // A cgroup that cannot have cgroups is of no use.
    const probe = join(directory, "probe");
    await mkdir(probe);
    await rmdir(probe);
    return directory;
  } catch {
    return "";
  }
}
