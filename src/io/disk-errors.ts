/**
 * Errors of disks, as Linux counts them: of SCSI and SATA disks what they could not do, of ext file systems what they found damaged, of the members of
 * an md array what they could not read. The counters only grow, and are of no use by themselves: what is new counts, for an hour.
 */
import { readdir, readFile } from "node:fs/promises";
import { diskErrorSourcesMax, diskErrorsWindowMs } from "../limits.ts";

/** Where the counters are: a folder, a name in it of which there are many, and the file below that; SCSI's is written in hexadecimal, with 0x. */
const places = [
  { folder: "block", name: /^(sd|sr)[a-z0-9]+$/, file: "device/ioerr_cnt" },
  { folder: "fs/ext4", name: /./, file: "errors_count" },
] as const;

/** What each source counts now, by its path. What cannot be read is left out. */
export async function diskErrorCounts(root = "/sys"): Promise<Map<string, number>> {
  const files: string[] = [];
  for (const { folder, name, file } of places) {
    for (const entry of await namesIn(`${root}/${folder}`)) if (name.test(entry)) files.push(`${root}/${folder}/${entry}/${file}`);
  }
  for (const array of await namesIn(`${root}/block`)) {
    if (!array.startsWith("md")) continue;
    for (const member of await namesIn(`${root}/block/${array}/md`)) {
      if (member.startsWith("dev-")) files.push(`${root}/block/${array}/md/${member}/errors`);
    }
  }
  const counts = new Map<string, number>();
  for (const file of files.slice(0, diskErrorSourcesMax)) {
    const count = await readFile(file, "utf8").then((text) => Number(text.trim()), () => NaN);
    if (Number.isSafeInteger(count) && count >= 0) counts.set(file, count);
  }
  return counts;
}

/** How many errors the last hour had. A source that is met for the first time has had none: nobody knows when they were. */
export class DiskErrors {
  readonly #counts = new Map<string, number>();
  #recent: readonly { readonly at: number; readonly errors: number }[] = [];

  /** `undefined` where nothing is counted. `now`: monotonic milliseconds. */
  onCounts(now: number, counts: ReadonlyMap<string, number>): number | undefined {
    let errors = 0;
    for (const [source, count] of counts) {
      errors += Math.max(0, count - (this.#counts.get(source) ?? count));
      this.#counts.set(source, count);
    }
    for (const source of [...this.#counts.keys()]) if (!counts.has(source)) this.#counts.delete(source);
    this.#recent = this.#recent.filter(({ at }) => at > now - diskErrorsWindowMs);
    if (errors > 0) this.#recent = [...this.#recent, { at: now, errors }];
    if (counts.size === 0 && this.#recent.length === 0) return undefined;
    return this.#recent.reduce((sum, each) => sum + each.errors, 0);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).then((names) => names.sort(), () => []);
}
