/** Sends well-formed frames that were signed with a key of nobody: `forge.ts INTERFACE COUNT`. */
import process from "node:process";
import { nativeDrivers } from "../../drivers/native.ts";
import { cardAt } from "../../src/base/ids.ts";
import { Keyring } from "../../src/wire/auth.ts";
import { etherType, groupAddress } from "../../src/wire/ether.ts";
import { encodeFrame } from "../../src/wire/frame.ts";

const [interfaceName, count] = process.argv.slice(2) as [string, string];
const stranger = new Keyring([new Uint8Array(32).fill(0x5a)]);
const { promise: carrier, resolve } = Promise.withResolvers<void>();
const port = await nativeDrivers().ether.open({ interface: interfaceName, etherTypes: [etherType], groups: [] }, (event) => {
  if (event.kind === "carrier" && event.up) resolve();
});
// What is sent before the interface carries is lost without a word.
await carrier;
for (let sequence = 0; sequence < Number(count); sequence++) {
  const envelope = { system: 1, from: cardAt(1, 2), to: 0, incarnation: 0xffffffff, sequence } as const;
  port.send(groupAddress, etherType, encodeFrame("ether", stranger, { ...envelope, message: { kind: "bye", reason: "stop" } }));
}
await port.close();
