/** The reader of hand-written JSON: the same values as the runtime's parser, and places for everything. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isJsonMistake, type JsonMistake, type JsonText, parseJson } from "../../src/base/json-text.ts";

function value(text: string): unknown {
  const parsed = parseJson(text);
  assert.not(isJsonMistake(parsed), isJsonMistake(parsed) ? parsed.message : "");
  return (parsed as JsonText).value;
}

test("every JSON text gives the value that the runtime's parser gives", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 1, 2, "\t"), (original, space) => {
    const text = JSON.stringify(original, undefined, space);
    assert.equal(value(text), JSON.parse(text));
  }));
  assert.equal(value('\ufeff {"a\\u0041\\n":[-0.5e+3,true,false,null,"\\/\\\\\\""]}'), { "aA\n": [-500, true, false, null, '/\\"'] });
});

test("what the runtime's parser refuses is refused, and nothing throws", () => {
  const broken = fc.oneof(
    fc.string(),
    fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, piece]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + piece + text.slice(place + (at % 3));
    }),
  );
  fc.assert(
    fc.property(broken, (text) => {
      let theirs: { value: unknown } | undefined;
      try {
        theirs = { value: JSON.parse(text) };
      } catch {
        theirs = undefined;
      }
      const ours = parseJson(text);
      if (theirs === undefined) assert.ok(isJsonMistake(ours), text);
      else if (!isJsonMistake(ours)) assert.equal(ours.value, theirs.value);
      else assert.match(ours.message, /given twice|levels/);
    }),
    { numRuns: 2_000 },
  );
});

test("mistakes that people make are told by name", () => {
  const cases: [text: string, line: number, column: number, message: RegExp][] = [
    ['{\n "a": 1,\n}', 2, 8, /comma before "}"/],
    ["[1, 2,]", 1, 6, /comma before "]"/],
    ["{\n  // slot\n}", 2, 3, /a comment, which JSON has not/],
    ["# slot\n{}", 1, 1, /a comment/],
    ["{'a': 1}", 1, 2, /single quote; JSON has double quotes/],
    ["{a: 1}", 1, 2, /"a"; expected a key in double quotes/],
    ['{"a" 1}', 1, 6, /expected ":" after the key "a"/],
    ['{"a": }', 1, 7, /expected a value for "a"/],
    ['{"a": tru}', 1, 7, /"tru"; expected a value for "a"/],
    ['{"a": 01}', 1, 7, /"01"; expected a value/],
    ['{"a": 1', 1, 8, /the end of the file; expected "," or "}"/],
    ['{"a": "b\n"}', 1, 7, /does not end on its line/],
    ['{"a": 1, "b": 2, "a": 3}', 1, 18, /the key "a" is given twice/],
    ['{"a": "b\tc"}', 1, 9, /control characters in a text/],
    ['{"ü": "\\x"}', 1, 8, /\\x in a text/],
    ["{} {}", 1, 4, /"{"; expected the end of the file/],
    ["[".repeat(100), 1, 34, /more than 32 levels/],
  ];
  for (const [text, line, column, message] of cases) {
    const parsed = parseJson(text) as JsonMistake;
    assert.ok(isJsonMistake(parsed), text);
    assert.match(parsed.message, message);
    assert.equal(parsed.place, { line, column }, text);
  }
});

test("comments are taken where they are asked for, and places count them", () => {
  const text = '// a system\n{ /* one */ "a": 1, // two\n  /* three\n */ "b": [2 /**/, 3], "c": "// no comment /* nor this" }\n// end';
  const parsed = parseJson(text, { comments: true }) as JsonText;
  assert.not(isJsonMistake(parsed));
  assert.equal(parsed.value, { a: 1, b: [2, 3], c: "// no comment /* nor this" });
  assert.equal(parsed.placeOf(["b"]), { line: 4, column: 5 });
  const cases: [text: string, message: RegExp][] = [
    ["{} /* x", /a comment that does not end/],
    ["# x\n{}", /comments begin with \/\//],
    ["{ / }", /"\/"; expected a key/],
  ];
  for (const [text, message] of cases) {
    const mistake = parseJson(text, { comments: true }) as JsonMistake;
    assert.ok(isJsonMistake(mistake), text);
    assert.match(mistake.message, message);
  }
});

test("each value has its place, and what is not there the place around it", () => {
  const parsed = parseJson('{\n  "ü": [1,\n    {"b": 2}]\n}') as JsonText;
  assert.equal(parsed.placeOf([]), { line: 1, column: 1 });
  assert.equal(parsed.placeOf(["ü"]), { line: 2, column: 3 });
  assert.equal(parsed.placeOf(["ü", 0]), { line: 2, column: 9 });
  assert.equal(parsed.placeOf(["ü", 1, "b"]), { line: 3, column: 6 });
  assert.equal(parsed.placeOf(["ü", 1, "c"]), { line: 3, column: 5 });
  assert.equal(parsed.placeOf(["d"]), { line: 1, column: 1 });
});

test.run();
