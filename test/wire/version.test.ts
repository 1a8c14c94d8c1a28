/** Version ranges: which reader understands which frame. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { packVersions, unpackVersions, versionsMeet, wireVersions } from "../../src/wire/version.ts";

test("both ends of a range stand in one number", () => {
  for (let min = 0; min <= 15; min++) {
    for (let max = 0; max <= 15; max++) {
      const packed = packVersions({ min, max });
      assert.is(packed, min * 16 + max);
      assert.equal(unpackVersions(packed), { min, max });
    }
  }
});

test("HA-1: a reader takes a frame that a version of its own range can read", () => {
  for (let ourMin = 0; ourMin <= 6; ourMin++) {
    for (let ourMax = ourMin; ourMax <= 6; ourMax++) {
      for (let min = 0; min <= 6; min++) {
        for (let max = 0; max <= 6; max++) {
          const shared = [0, 1, 2, 3, 4, 5, 6].some((version) =>
            version >= ourMin && version <= ourMax && version >= min && version <= max
          );
          assert.is(versionsMeet({ min: ourMin, max: ourMax }, { min, max }), shared, `${ourMin}..${ourMax} reads ${min}..${max}`);
        }
      }
    }
  }
});

test("what this program writes, it reads", () => {
  assert.ok(wireVersions.min >= 1 && wireVersions.min <= wireVersions.max && wireVersions.max <= 15);
  assert.ok(versionsMeet(wireVersions, unpackVersions(packVersions(wireVersions))));
});

test.run();
