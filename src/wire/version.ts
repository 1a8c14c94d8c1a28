/**
 * Wire versions. A frame says for which readers it was written: "written by version `max`, readable from
 * version `min`". A reader of version v takes it when `min` <= v; fields that v does not know stand at the
 * ends of arrays and are left alone.
 */
export type VersionRange = { readonly min: number; readonly max: number };

/** The version that this program writes, and the oldest that can read it and that it can read. */
export const wireVersions: VersionRange = { min: 1, max: 1 };

/** One number for both, as it stands in the envelope: four bits each, the older one first. */
export function packVersions(range: VersionRange): number {
  return (range.min << 4) | range.max;
}

export function unpackVersions(packed: number): VersionRange {
  return { min: packed >> 4, max: packed & 15 };
}

/** Whether a program that speaks `ours` understands a frame marked `theirs`. */
export function versionsMeet(ours: VersionRange, theirs: VersionRange): boolean {
  return theirs.min <= theirs.max && theirs.min <= ours.max && theirs.max >= ours.min;
}
