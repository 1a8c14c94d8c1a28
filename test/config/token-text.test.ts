import { test } from "uvu";
import * as assert from "uvu/assert";
import { tokenName, tokenText } from "../../src/config/token-text.ts";
import { tokenSecretBytes } from "../../src/limits.ts";

test("a token's text has its name, and what is none has none", () => {
  const text = tokenText("ci-2", new Uint8Array(tokenSecretBytes).fill(0xfb));
  assert.is(text, `cardinal.ci-2.${"-_v7".repeat(10)}-_s`);
  assert.is(tokenName(text), "ci-2");
  for (
    const none of [
      "",
      `${text}x`,
      text.slice(0, -1),
      ` ${text}`,
      text.replace("ci-2", "CI"),
      text.replace("ci-2", "2ci"),
      text.replace("-_s", "+/s"),
    ]
  ) {
    assert.is(tokenName(none), undefined, none);
  }
});

test.run();
