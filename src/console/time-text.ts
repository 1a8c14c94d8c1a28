/** Times and durations as people type them. Pure. */

const units: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds of "90s", "30min", "2h", "30d", "4w". */
export function durationMsOf(text: string): number | undefined {
  const match = /^([1-9]\d{0,5})(s|min|m|h|d|w)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (units[match[2] as string] as number);
}

/** Milliseconds since 1970 of a duration before `now`, or of an instant as ISO 8601 has it. */
export function sinceOf(text: string, now: number): { readonly ms: number } | { readonly mistake: string } {
  const duration = durationMsOf(text);
  if (duration !== undefined) return { ms: now - duration };
  const instant = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(instant) && instant >= 0) return { ms: instant };
  return { mistake: `is ${JSON.stringify(text)}, must be a duration, such as 2h or 3d, or a time, such as 2026-03-01T10:00Z` };
}
