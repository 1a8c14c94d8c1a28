/** FS-4, FS-3: what a wish may ask for, and how each refusal is told. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { validate } from "../../src/config/validate.ts";
import { context, MemoryTables, put, remove } from "./memory-tables.ts";

test("a wish is carried out with its defaults, and told in the audit", () => {
  const tables = new MemoryTables();
  const validated = validate(tables, [put("cards", "1/2", { name: "left" }), put("chassis", "1")], context);
  assert.equal(validated, {
    kind: "validated",
    operations: [
      put("cards", "1/2", { chassis: "1", name: "left", enabled: 1, capacity: 100, model: null, note: null }),
      put("chassis", "1", { kind: "chassis", name: null, model: null, serialNumber: null, note: null }),
      put("audit", "0000000000000001", {
        at: 1_700_000_000_000,
        card: "1/2",
        author: "alice",
        comment: "because",
        what: JSON.stringify([
          {
            did: "made",
            table: "cards",
            id: "1/2",
            columns: { chassis: [null, "1"], name: [null, "left"], enabled: [null, 1], capacity: [null, 100] },
          },
          { did: "made", table: "chassis", id: "1", columns: { kind: [null, "chassis"] } },
        ]),
      }),
    ],
  });
});

test("a wish without effect is nothing at all", () => {
  const tables = new MemoryTables();
  assert.is(tables.change([put("chassis", "1"), put("cards", "1/1")]), undefined);
  assert.equal(validate(tables, [put("cards", "1/1", { enabled: 1 })], context), { kind: "validated", operations: [] });
  assert.is(tables.change([remove("cards", "1/1"), remove("chassis", "1")]), undefined);
  assert.is(tables.count("cards"), 0);
});

test.run();
