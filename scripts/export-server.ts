/**
 * A block engine of its own that exports files over NBD, for benchmarks and tests of the export alone: the arguments are
 * NAME=PATH for each, and --unix PATH or --tcp HOST:PORT for where it listens, --reactors N, --read-only, --certificate and --key.
 * It prints `ready PORT` when hosts can come, and ends with SIGTERM.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { nativeBlock } from "../drivers/block/block.ts";
import { nativeDoor } from "../drivers/door/door.ts";
import { loadAddon } from "../drivers/load.ts";
import type { BlockEngine } from "../src/io/block-ports.ts";
import { NbdServer, type ServedExport } from "../src/io/nbd-server.ts";
import { nbdRequestBytesMax } from "../src/limits.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    unix: { type: "string" },
    tcp: { type: "string" },
    reactors: { type: "string", default: "1" },
    "read-only": { type: "boolean", default: false },
    certificate: { type: "string" },
    key: { type: "string" },
    authority: { type: "string" },
    "tls-required": { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

async function served(engine: BlockEngine, number: number, name: string, path: string): Promise<ServedExport> {
  const device = await engine.make(number);
  const opened = await device.open(0, path, { readOnly: values["read-only"] });
  await device.serve(0);
  await device.gate("open");
  return {
    name,
    description: path,
    sizeBytes: opened.size,
    readOnly: opened.readOnly,
    blockBytes: opened.blockBytes,
    preferredBytes: opened.preferredBytes,
    requestBytesMax: nbdRequestBytesMax,
    canTrim: opened.canDiscard,
    canZero: opened.canZero,
    zeroesFast: false,
    multipleConnections: true,
    device: number,
  };
}

const addon = loadAddon();
const engine = await nativeBlock(addon).open({ reactors: Number(values.reactors), onNews: (news) => server.onNews(news) });
const exports = await Promise.all(positionals.map((each, index) => {
  const [name = "", ...path] = each.split("=");
  return served(engine, index, name, path.join("="));
}));
const say = (text: string) => values.verbose && console.error(text);
const server = new NbdServer({
  door: nativeDoor(addon),
  engine,
  exports: {
    list: () => exports,
    find: (_guest, name) => exports.find((each) => each.name === name) ?? { unavailable: "unknown", message: `there is no export ${name}` },
  },
  ...(values.certificate === undefined || values.key === undefined ? {} : {
    certificate: {
      certificate: readFileSync(values.certificate, "utf8"),
      key: readFileSync(values.key, "utf8"),
      required: values["tls-required"],
      ...(values.authority === undefined ? {} : { authority: readFileSync(values.authority, "utf8") }),
    },
  }),
  events: {
    begun: (session) => say(`begun ${JSON.stringify(session)}`),
    ended: (session, end) => say(`ended ${session.number} ${JSON.stringify(end)}`),
    refused: (address, reason) => say(`refused ${address} ${reason}`),
  },
});
let port = 0;
if (values.unix !== undefined) server.listen({ path: values.unix });
if (values.tcp !== undefined) {
  const at = values.tcp.lastIndexOf(":");
  port = server.listen({ host: values.tcp.slice(0, at), port: Number(values.tcp.slice(at + 1)) }).port;
}
process.on("SIGTERM", () => {
  void server.close().then(() => engine.close());
});
console.log(`ready ${port}`);
