/** SHA-256 of what comes in parts. */
import type { Hash } from "node:crypto";
import process from "node:process";

/** SHA-256 of bytes, for those who have much of it to do: some six times as fast as the one that runs everywhere. */
export function fastDigest(bytes: Uint8Array): Uint8Array {
  return process.getBuiltinModule("node:crypto").hash("sha256", bytes, "buffer");
}

/** The module is loaded with the first one: 1.3 MiB that a store without snapshots and backups does not need. */
export function newDigest(): Hash {
  return process.getBuiltinModule("node:crypto").createHash("sha256");
}
