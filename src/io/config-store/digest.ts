/** SHA-256 of what comes in parts. */
import type { Hash } from "node:crypto";
import process from "node:process";

/** The module is loaded with the first one: 1.3 MiB that a store without snapshots and backups does not need. */
export function newDigest(): Hash {
  return process.getBuiltinModule("node:crypto").createHash("sha256");
}
