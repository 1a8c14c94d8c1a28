/**
 * JSON (RFC 8259) as people write it by hand: a mistake is told with its line and column and with what was expected
 * there, a key given twice is a mistake, and every value's place is known afterwards, so that a wrong value can be
 * pointed at as well. The messages of the runtimes' own parser are neither stable nor made for that.
 */

/** Counted from 1, as editors do; the column counts characters. */
export type TextPlace = { readonly line: number; readonly column: number };

export type JsonPath = readonly (string | number)[];

export type JsonText = {
  readonly value: unknown;
  /** Where the value at `path` stands; for a path that is not there, the place of the nearest thing around it. */
  placeOf(path: JsonPath): TextPlace;
};

export type JsonMistake = { readonly place: TextPlace; readonly message: string };

const depthMax = 32;

/** The value of `text`, or the first place where it is not JSON. With `comments` it may have those of JavaScript wherever there may be a space. */
export function parseJson(text: string, options: { readonly comments?: boolean } = {}): JsonText | JsonMistake {
  const reader = new JsonReader(text, options.comments === true);
  try {
    const value = reader.document();
    return { value, placeOf: (path) => reader.placeOf(path) };
  } catch (error) {
    if (error instanceof Unexpected) return { place: placeAt(text, error.at), message: error.message };
    throw error;
  }
}

export function isJsonMistake(parsed: JsonText | JsonMistake): parsed is JsonMistake {
  return "message" in parsed;
}

/** Leaves the recursion of the reader; it goes no further than `parseJson`. */
class Unexpected extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

function placeAt(text: string, at: number): TextPlace {
  const before = text.slice(0, at);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: [...before.slice(lineStart)].length + 1 };
}

const space = /[ \t\r\n]*/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const bareWord = /[A-Za-z0-9_.+$-]+/y;
const escapes: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

class JsonReader {
  readonly #text: string;
  readonly #comments: boolean;
  readonly #places = new Map<string, number>();
  #at = 0;

  constructor(text: string, comments: boolean) {
    this.#text = text;
    this.#comments = comments;
    if (text.startsWith("\ufeff")) this.#at = 1;
  }

  placeOf(path: JsonPath): TextPlace {
    for (let length = path.length; length > 0; length--) {
      const at = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (at !== undefined) return placeAt(this.#text, at);
    }
    return placeAt(this.#text, this.#places.get("[]") ?? 0);
  }

  document(): unknown {
    const value = this.#value([], "a JSON object, which begins with {");
    this.#skip();
    if (this.#at < this.#text.length) throw this.#unexpected("the end of the file");
    return value;
  }

  #value(path: JsonPath, expected: string): unknown {
    this.#skip();
    if (path.length > depthMax) throw new Unexpected(this.#at, `more than ${depthMax} levels of { and [; no configuration has so many`);
    // An object's member stands where its key does.
    const key = JSON.stringify(path);
    if (!this.#places.has(key)) this.#places.set(key, this.#at);
    const letter = this.#text[this.#at];
    if (letter === "{") return this.#object(path);
    if (letter === "[") return this.#array(path);
    if (letter === '"') return this.#string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]] as const) {
      if (this.#take(bareWord, false) === word) {
        this.#at += word.length;
        return value;
      }
    }
    const digits = this.#take(number, false);
    if (digits !== "" && digits === this.#take(bareWord, false)) {
      this.#at += digits.length;
      return Number(digits);
    }
    throw this.#unexpected(expected);
  }

  #object(path: JsonPath): Record<string, unknown> {
    const members: [string, unknown][] = [];
    const keys = new Set<string>();
    this.#at++;
    this.#skip();
    if (this.#accept("}")) return {};
    for (;;) {
      this.#skip();
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') {
        throw this.#unexpected(members.length === 0 ? 'a key in double quotes or "}"' : "a key in double quotes");
      }
      const key = this.#string();
      if (keys.has(key)) throw new Unexpected(keyAt, `the key ${JSON.stringify(key)} is given twice; keep one`);
      keys.add(key);
      const memberPath = [...path, key];
      this.#places.set(JSON.stringify(memberPath), keyAt);
      this.#skip();
      if (!this.#accept(":")) throw this.#unexpected(`":" after the key ${JSON.stringify(key)}`);
      members.push([key, this.#value(memberPath, `a value for ${JSON.stringify(key)}`)]);
      this.#skip();
      if (this.#accept("}")) return Object.fromEntries(members);
      const commaAt = this.#at;
      if (!this.#accept(",")) throw this.#unexpected('"," or "}"');
      this.#skip();
      if (this.#text[this.#at] === "}") throw new Unexpected(commaAt, 'a comma before "}"; expected none after the last member');
    }
  }

  #array(path: JsonPath): unknown[] {
    const values: unknown[] = [];
    this.#at++;
    this.#skip();
    if (this.#accept("]")) return values;
    for (;;) {
      values.push(this.#value([...path, values.length], "a value"));
      this.#skip();
      if (this.#accept("]")) return values;
      const commaAt = this.#at;
      if (!this.#accept(",")) throw this.#unexpected('"," or "]"');
      this.#skip();
      if (this.#text[this.#at] === "]") throw new Unexpected(commaAt, 'a comma before "]"; expected none after the last value');
    }
  }

  #string(): string {
    const startAt = this.#at;
    let value = "";
    this.#at++;
    for (;;) {
      const letter = this.#text[this.#at];
      if (letter === undefined || letter === "\n" || letter === "\r") {
        throw new Unexpected(startAt, `a text that does not end on its line; expected a closing double quote`);
      }
      if (letter === '"') {
        this.#at++;
        return value;
      }
      if (letter === "\\") value += this.#escape();
      else if (letter < " ") throw this.#unexpected("\\t and the like for control characters in a text");
      else {
        value += letter;
        this.#at++;
      }
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    if (letter === "u") {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Unexpected(this.#at, "\\u without four hexadecimal digits");
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const plain = escapes[letter];
    if (plain === undefined) throw new Unexpected(this.#at, `\\${letter} in a text; expected \\\\ for a backslash itself`);
    this.#at += 2;
    return plain;
  }

  #skip(): void {
    this.#take(space, true);
    while (this.#comments && this.#text[this.#at] === "/") {
      const isLine = this.#text[this.#at + 1] === "/";
      if (!isLine && this.#text[this.#at + 1] !== "*") return;
      const end = this.#text.indexOf(isLine ? "\n" : "*/", this.#at + 2);
      if (end < 0 && !isLine) return;
      this.#at = end < 0 ? this.#text.length : isLine ? end : end + 2;
      this.#take(space, true);
    }
  }

  #accept(letter: string): boolean {
    if (this.#text[this.#at] !== letter) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp, advance: boolean): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    if (advance) this.#at += found.length;
    return found;
  }

  #unexpected(expected: string): Unexpected {
    const letter = this.#text[this.#at];
    const two = this.#text.slice(this.#at, this.#at + 2);
    if (two === "/*" && this.#comments) {
      return new Unexpected(this.#at, "a comment that does not end; expected */");
    }
    if (letter === "#" && this.#comments) {
      return new Unexpected(this.#at, `"#"; comments begin with //, expected ${expected}`);
    }
    if (two === "//" || two === "/*" || letter === "#") {
      return new Unexpected(this.#at, `a comment, which JSON has not; expected ${expected}`);
    }
    if (letter === "'") return new Unexpected(this.#at, `a single quote; JSON has double quotes only, expected ${expected}`);
    if (letter === undefined) return new Unexpected(this.#at, `the end of the file; expected ${expected}`);
    const word = this.#take(bareWord, false);
    const found = word === ""
      ? JSON.stringify(String.fromCodePoint(this.#text.codePointAt(this.#at) as number))
      : JSON.stringify(word.slice(0, 40));
    return new Unexpected(this.#at, `${found}; expected ${expected}`);
  }
}
