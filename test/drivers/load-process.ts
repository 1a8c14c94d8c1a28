/**
 * Loads the addon from its bytes and prints what came of it: a process of its own for each try, because a process
 * loads a path only once. Arguments: "any" or "named", then the directories.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { loadFromBytes, loadNamed } from "../../drivers/load.ts";

const [how, ...directories] = process.argv.slice(2);
const bytes = new Uint8Array(readFileSync(new URL("../../build/addon.node", import.meta.url)));
try {
  const addon = how === "named" ? loadNamed(directories[0] ?? "", bytes) : loadFromBytes(bytes, directories);
  console.log(typeof addon.etherOpen === "function" ? "loaded" : "not the addon");
} catch (error) {
  console.log((error as Error).message);
}
