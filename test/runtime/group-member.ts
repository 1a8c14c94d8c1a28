/**
 * A member of a group as a process of its own, for tests that kill it: `node group-member.ts SOCKET GROUP NAME
 * critical|plain MONITOR_MS`. It says "joined" once it is one, and stays until it is killed or its card is gone.
 */
import process from "node:process";
import { ApplicationError, connect } from "../../src/client/client.ts";

const [path = "", group = "", name = "", kind, monitorMs] = process.argv.slice(2);
const client = await connect({ path });
await client.join(group, { name, critical: kind === "critical", monitorMs: Number(monitorMs) });
console.log("joined");
try {
  for await (const _ of client) {
    // Nothing is done with what comes.
  }
} catch (error) {
  if (!(error instanceof ApplicationError)) throw error;
}
