/** A card that wants the witness: `node witness-process.ts ENDPOINT CARD TTL_S`. Says each change of its belief in a line; ends when its input does. */
import process from "node:process";
import type { CardId } from "../../src/base/ids.ts";
import { Witness } from "../../src/io/witness.ts";

const [endpoint = "", card, ttlS] = process.argv.slice(2);
const witness = new Witness({
  endpoints: [endpoint],
  key: "cardinal/test",
  ttlS: Number(ttlS),
  card: Number(card) as CardId,
  onHeld: (held) => console.log(`held ${held}`),
  log: () => {},
});
witness.want(true);
process.stdin.resume();
process.stdin.once("end", () => void witness.close().then(() => console.log("closed")));
