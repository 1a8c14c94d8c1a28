import { test } from "uvu";
import * as assert from "uvu/assert";
import { linesOf } from "../../src/console/lines.ts";

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

async function lines(bytesMax: number, ...texts: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for await (const { number, data, isCut } of linesOf(pieces(...texts), bytesMax)) {
    found.push(`${number}:${new TextDecoder().decode(data)}${isCut ? "..." : ""}`);
  }
  return found;
}

const cases: readonly (readonly [string, readonly string[]])[] = [
  ["", []],
  ["\n", ["1:"]],
  ["a", ["1:a"]],
  ["a\n", ["1:a"]],
  ["a\n\nbc\n", ["1:a", "2:", "3:bc"]],
  ["a\r\n", ["1:a\r"]],
  ["abcd\nabcde\nab", ["1:abcd", "2:abcd...", "3:ab"]],
  ["abcdefghij", ["1:abcd..."]],
];

test("lines of at most 4 bytes, in every split in two and byte by byte", async () => {
  for (const [text, expected] of cases) {
    for (let at = 0; at <= text.length; at++) assert.equal(await lines(4, text.slice(0, at), text.slice(at)), expected, `${text} at ${at}`);
    assert.equal(await lines(4, ...text), expected, text);
  }
});

test.run();
