// The compiled program carries the OpenAPI document as text, made when it was built: it is the one that its sources make.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openApiDocument } from "../../src/api/openapi.ts";

const binary = fileURLToPath(new URL("../../build/cardinal", import.meta.url));

test("CARD-3: the binary prints the document that its sources make, of its own version", () => {
  const { status, stdout, stderr } = spawnSync(binary, ["openapi"], { encoding: "utf8" });
  assert.equal([status, stderr], [0, ""]);
  const { stdout: said } = spawnSync(binary, ["version", "--json"], { encoding: "utf8" });
  assert.equal(JSON.parse(stdout), openApiDocument((JSON.parse(said) as { version: string }).version));
});

test.run();
