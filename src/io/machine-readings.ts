/** What a card reads of the machine that it runs on, for its health. A reading that the machine does not give is left out. */
import { readdir, readFile, statfs } from "node:fs/promises";
import type { ReadingName } from "../failover/health.ts";

const zones = "/sys/class/thermal";

/** Memory and disk in use in percent, the highest temperature in degrees. */
export async function machineReadings(stateDirectory: string): Promise<Map<ReadingName, number>> {
  const read: Readonly<Partial<Record<ReadingName, Promise<number | undefined>>>> = {
    memory: readFile("/proc/meminfo", "utf8").then(memoryPercent),
    disk: statfs(stateDirectory).then(diskPercent),
    temperature: temperature(),
  };
  const values = new Map<ReadingName, number>();
  await Promise.all((Object.entries(read) as [ReadingName, Promise<number | undefined>][]).map(async ([name, reading]) => {
    const value = await reading.catch(() => undefined);
    if (value !== undefined) values.set(name, value);
  }));
  return values;
}

/** Of `/proc/meminfo`: what no program could get any more. */
export function memoryPercent(text: string): number | undefined {
  const [total, available] = ["MemTotal", "MemAvailable"].map((name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]));
  if (total === undefined || available === undefined || !(total > 0) || !(available >= 0)) return undefined;
  return Math.round(100 - 100 * available / total);
}

/** As `df` has it: of what others than root may use. */
export function diskPercent(
  { blocks, bfree, bavail }: { readonly blocks: number; readonly bfree: number; readonly bavail: number },
): number | undefined {
  const used = blocks - bfree;
  return used + bavail === 0 ? undefined : Math.ceil(100 * used / (used + bavail));
}

async function temperature(): Promise<number | undefined> {
  const names = (await readdir(zones)).filter((name) => name.startsWith("thermal_zone"));
  const degrees = await Promise.all(
    names.map((name) => readFile(`${zones}/${name}/temp`, "utf8").then((text) => Number(text) / 1_000, () => NaN)),
  );
  const found = degrees.filter(Number.isFinite);
  return found.length === 0 ? undefined : Math.round(Math.max(...found));
}
