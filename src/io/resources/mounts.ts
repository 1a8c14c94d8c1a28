/** The mounts of this process's namespace, as /proc/self/mountinfo has them (proc_pid_mountinfo(5)). */
import { readFile } from "node:fs/promises";

export type Mount = {
  readonly id: number;
  /** "8:1" of the file system. */
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  /** Of this mount, then of the file system. */
  readonly options: readonly string[];
  readonly superOptions: readonly string[];
};

/** Space, tab, newline and backslash are written as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** In the order of mounting: of two with one mount point the later one is seen. Lines that are none are passed over. */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [id, , device, , mountPoint, options] = before.split(" ");
    const [type, source, superOptions] = after.split(" ");
    if (id === undefined || device === undefined || mountPoint === undefined || options === undefined) return [];
    if (type === undefined || source === undefined || superOptions === undefined) return [];
    return [{
      id: Number(id),
      device,
      mountPoint: unescaped(mountPoint),
      type,
      source: unescaped(source),
      options: options.split(","),
      superOptions: superOptions.split(","),
    }];
  });
}

export async function readMounts(): Promise<Mount[]> {
  return parseMounts(await readFile("/proc/self/mountinfo", "utf8"));
}

/** What is seen at a mount point. */
export function mountAt(mounts: readonly Mount[], mountPoint: string): Mount | undefined {
  return mounts.findLast((mount) => mount.mountPoint === mountPoint);
}
