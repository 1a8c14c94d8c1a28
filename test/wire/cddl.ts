/**
 * A reader of CDDL (RFC 8610), as much of it as `src/wire/wire.cddl` uses: it tells whether a CBOR value or bytes
 * match a rule, and it makes values that do. It shares nothing with the program: bytes are read by another decoder.
 *
 * Choices and occurrences are taken greedily, first match first, as RFC 8610 appendix A says.
 */
import { decode, decodeMultiple } from "cbor-x";
import fc from "fast-check";

export type Value = number | string | boolean | null | Uint8Array | Value[];

type Type =
  | { readonly is: "choice"; readonly of: readonly Type[] }
  | { readonly is: "range"; readonly low: number; readonly high: number }
  | { readonly is: "array"; readonly group: Group }
  | { readonly is: "name"; readonly name: string }
  | { readonly is: "size"; readonly of: Type; readonly low: number; readonly high: number }
  | { readonly is: "cbor"; readonly sequence: boolean; readonly of: Type };
/** The choices of a group, each a list of entries. */
type Group = readonly (readonly Entry[])[];
type Entry = {
  readonly min: number;
  readonly max: number;
  readonly key?: string;
  readonly of: Type | { readonly is: "group"; readonly group: Group };
};

const prelude = ["uint", "bytes", "text", "bool", "null"];

export class Cddl {
  readonly #types = new Map<string, Type>();
  readonly #groups = new Map<string, Group>();

  constructor(source: string) {
    const parser = new Parser(source);
    while (!parser.atEnd) {
      const name = parser.identifier();
      parser.expect("=");
      if (this.#types.has(name) || this.#groups.has(name)) throw new Error(`rule "${name}" is defined twice`);
      if (parser.next === "(") this.#groups.set(name, parser.parenthesizedGroup());
      else this.#types.set(name, parser.type());
    }
    for (const rule of this.rules) {
      for (const name of this.references(rule)) {
        if (!prelude.includes(name) && !this.rules.includes(name)) throw new Error(`rule "${rule}" names "${name}", which is not defined`);
      }
    }
  }

  get rules(): string[] {
    return [...this.#types.keys(), ...this.#groups.keys()];
  }

  /** The rules that `rule` names itself, prelude included. */
  references(rule: string): string[] {
    const names = new Set<string>();
    const visitGroup = (group: Group) =>
      group.forEach((entries) => entries.forEach(({ of }) => of.is === "group" ? visitGroup(of.group) : visit(of)));
    const visit = (type: Type): void => {
      if (type.is === "name") names.add(type.name);
      else if (type.is === "choice") type.of.forEach(visit);
      else if (type.is === "array") visitGroup(type.group);
      else if (type.is === "size" || type.is === "cbor") visit(type.of);
    };
    const type = this.#types.get(rule);
    if (type !== undefined) visit(type);
    else visitGroup(this.#group(rule));
    return [...names];
  }

  /** The literal number, or the bounds of the range or size, that `rule`, or the field `key` of its array, is. */
  bounds(rule: string, key?: string): { low: number; high: number } {
    let type: Type | undefined = this.#types.get(rule);
    if (key !== undefined && type?.is === "array") {
      const of: Entry["of"] | undefined = type.group[0]?.find((entry) => entry.key === key)?.of;
      type = of?.is === "group" ? undefined : of;
    }
    if (type?.is !== "range" && type?.is !== "size") throw new Error(`"${rule}" ${key ?? ""} has no bounds`);
    if (type.is === "size" && type.of.is === "name" && type.of.name === "uint") return { low: 0, high: 256 ** type.high - 1 };
    return { low: type.low, high: type.high };
  }

  /** The names of the fields of a rule that is an array, in order; what has no key is left out. */
  fields(rule: string): string[] {
    const type = this.#types.get(rule);
    if (type?.is !== "array") throw new Error(`"${rule}" is no array`);
    return (type.group[0] ?? []).flatMap((entry) => entry.key ?? []);
  }

  /** The rule's names as it chooses between them; for a group, each choice is its entries' literals and names. */
  choices(rule: string): (string | number)[][] {
    const plain = (type: Entry["of"]): string | number => type.is === "name" ? type.name : type.is === "range" ? type.low : type.is;
    const type = this.#types.get(rule);
    if (type?.is === "choice") return type.of.map((choice) => [plain(choice)]);
    return this.#group(rule).map((entries) => entries.map((entry) => plain(entry.of)));
  }

  matches(rule: string, value: unknown): boolean {
    return this.#matches({ is: "name", name: rule }, value);
  }

  /** Values that match `rule`; byte strings with CBOR inside are not made. */
  arbitrary(rule: string): fc.Arbitrary<Value> {
    return this.#arbitrary({ is: "name", name: rule }, 0);
  }

  /** The choices of `field` of an array rule, as one can make them. */
  arbitraryField(rule: string, key: string): fc.Arbitrary<Value> {
    const type = this.#types.get(rule);
    const of = type?.is === "array" ? type.group[0]?.find((entry) => entry.key === key)?.of : undefined;
    if (of === undefined || of.is === "group") throw new Error(`"${rule}" has no field "${key}"`);
    return this.#arbitrary(of, 0);
  }

  #group(name: string): Group {
    const group = this.#groups.get(name);
    if (group === undefined) throw new Error(`no rule "${name}"`);
    return group;
  }

  #matches(type: Type, value: unknown): boolean {
    switch (type.is) {
      case "choice":
        return type.of.some((choice) => this.#matches(choice, value));
      case "range":
        return isInteger(value) && value >= type.low && value <= type.high;
      case "array":
        return Array.isArray(value) && this.#matchGroup(type.group, value, 0) === value.length;
      case "size": {
        if (!this.#matches(type.of, value)) return false;
        if (isInteger(value)) return value < 256 ** type.high;
        const size = value instanceof Uint8Array ? value.length : new TextEncoder().encode(value as string).length;
        return size >= type.low && size <= type.high;
      }
      case "cbor":
        if (!(value instanceof Uint8Array)) return false;
        return this.#matches(type.of, plain(type.sequence ? decodeMultiple(value) : decode(value)));
      case "name":
        break;
    }
    switch (type.name) {
      case "uint":
        return isInteger(value) && value >= 0;
      case "bytes":
        return value instanceof Uint8Array;
      case "text":
        return typeof value === "string";
      case "bool":
        return typeof value === "boolean";
      case "null":
        return value === null;
    }
    return this.#matches(this.#types.get(type.name) as Type, value);
  }

  /** How far `group` reaches in `items` from `at`, or `undefined` when it does not match there. */
  #matchGroup(group: Group, items: readonly unknown[], at: number): number | undefined {
    for (const entries of group) {
      let reached: number | undefined = at;
      for (const entry of entries) {
        reached = this.#matchEntry(entry, items, reached);
        if (reached === undefined) break;
      }
      if (reached !== undefined) return reached;
    }
    return undefined;
  }

  #matchEntry(entry: Entry, items: readonly unknown[], at: number): number | undefined {
    const { of } = entry;
    const group = of.is === "group" ? of.group : of.is === "name" ? this.#groups.get(of.name) : undefined;
    for (let count = 0; count < entry.max; count++) {
      const reached: number | undefined = group !== undefined
        ? this.#matchGroup(group, items, at)
        : at < items.length && of.is !== "group" && this.#matches(of, items[at])
        ? at + 1
        : undefined;
      if (reached === undefined) return count >= entry.min ? at : undefined;
      at = reached;
    }
    return at;
  }

  #arbitrary(type: Type, depth: number): fc.Arbitrary<Value> {
    switch (type.is) {
      case "choice":
        return fc.oneof(...type.of.map((choice) => this.#arbitrary(choice, depth)));
      case "range":
        return type.low === type.high
          ? fc.constant(type.low)
          : fc.maxSafeInteger().map((value) => type.low + modulo(value, type.high - type.low + 1));
      case "array":
        return this.#arbitraryGroup(type.group, depth + 1);
      case "size":
        if (type.of.is !== "name") break;
        if (type.of.name === "uint") {
          return fc.oneof(fc.integer({ min: 0, max: 256 ** type.high - 1 }), fc.constantFrom(0, 256 ** type.high - 1));
        }
        if (type.of.name === "bytes") return fc.uint8Array({ minLength: type.low, maxLength: Math.min(type.high, type.low + 400) });
        return fc.string({ unit: "binary", maxLength: type.high }).filter((text) => this.#matches(type, text));
      case "cbor":
        break;
      case "name": {
        if (type.name === "uint") return fc.maxSafeNat();
        if (type.name === "bytes") return fc.uint8Array({ maxLength: 40 });
        if (type.name === "text") return fc.string({ unit: "binary", maxLength: 40 });
        if (type.name === "bool") return fc.boolean();
        if (type.name === "null") return fc.constant(null);
        const rule = this.#types.get(type.name);
        if (rule !== undefined) return this.#arbitrary(rule, depth);
      }
    }
    throw new Error(`cannot make a value of ${JSON.stringify(type)}`);
  }

  #arbitraryGroup(group: Group, depth: number): fc.Arbitrary<Value[]> {
    return fc.oneof(...group.map((entries) =>
      fc.tuple(...entries.map((entry) => {
        const { of } = entry;
        const nested = of.is === "group" ? of.group : of.is === "name" ? this.#groups.get(of.name) : undefined;
        // A rule that contains itself ends here, well inside the nesting that the protocol allows.
        if (depth > 4 && entry.min === 0) return fc.constant([]);
        const once: fc.Arbitrary<Value[]> = nested !== undefined
          ? this.#arbitraryGroup(nested, depth)
          : this.#arbitrary(of as Type, depth).map((value) => [value]);
        return fc.array(once, {
          minLength: entry.min,
          maxLength: Math.min(entry.max, Math.max(entry.min, entry.max === Infinity ? 2 : 70)),
        })
          .map((repeated) => repeated.flat(1) as Value[]);
      })).map((parts) => parts.flat(1) as Value[])
    ));
  }
}

/** The other decoder gives a BigInt for what takes eight bytes. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return Array.isArray(value) ? value.map(plain) : value;
}

function isInteger(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}

function modulo(value: number, bound: number): number {
  return bound > Number.MAX_SAFE_INTEGER ? Math.abs(value) : ((value % bound) + bound) % bound;
}

class Parser {
  readonly #tokens: string[];
  #at = 0;

  constructor(source: string) {
    const bare = source.replace(/;.*$/gm, "");
    const pattern = /\s+|(-?\d+|[a-z][a-z0-9-]*|\.\.|\.[a-z]+|\/\/|[=:,()[\]*?/])/y;
    this.#tokens = [];
    while (pattern.lastIndex < bare.length) {
      const at = pattern.lastIndex;
      const match = pattern.exec(bare);
      if (match === null) throw new Error(`not understood: ${bare.slice(at, at + 20)}`);
      if (match[1] !== undefined) this.#tokens.push(match[1]);
    }
  }

  get atEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  get next(): string {
    return this.#tokens[this.#at] ?? "";
  }

  #accept(token: string): boolean {
    if (this.next !== token) return false;
    this.#at++;
    return true;
  }

  expect(token: string): void {
    if (!this.#accept(token)) throw new Error(`"${token}" expected at "${this.#tokens.slice(this.#at, this.#at + 5).join(" ")}"`);
  }

  identifier(): string {
    const token = this.next;
    if (!/^[a-z]/.test(token)) throw new Error(`a name expected, not "${token}"`);
    this.#at++;
    return token;
  }

  #number(): number {
    const token = this.next;
    if (!/^-?\d+$/.test(token)) throw new Error(`a number expected, not "${token}"`);
    this.#at++;
    return Number(token);
  }

  type(): Type {
    const choices = [this.#controlled()];
    while (this.#accept("/")) choices.push(this.#controlled());
    return choices.length === 1 ? choices[0] as Type : { is: "choice", of: choices };
  }

  #controlled(): Type {
    const of = this.#plain();
    if (this.#accept(".size")) {
      if (!this.#accept("(")) {
        const size = this.#number();
        return { is: "size", of, low: size, high: size };
      }
      const low = this.#number();
      this.expect("..");
      const high = this.#number();
      this.expect(")");
      return { is: "size", of, low, high };
    }
    if (this.#accept(".cbor")) return { is: "cbor", sequence: false, of: this.#plain() };
    if (this.#accept(".cborseq")) return { is: "cbor", sequence: true, of: this.#plain() };
    return of;
  }

  #plain(): Type {
    if (this.#accept("[")) {
      const group = this.#groupUntil("]");
      return { is: "array", group };
    }
    if (/^-?\d/.test(this.next)) {
      const low = this.#number();
      return { is: "range", low, high: this.#accept("..") ? this.#number() : low };
    }
    return { is: "name", name: this.identifier() };
  }

  parenthesizedGroup(): Group {
    this.expect("(");
    return this.#groupUntil(")");
  }

  #groupUntil(close: string): Group {
    const choices: Entry[][] = [[]];
    while (!this.#accept(close)) {
      if (this.#accept("//")) choices.push([]);
      else {
        (choices.at(-1) as Entry[]).push(this.#entry());
        this.#accept(",");
      }
    }
    return choices;
  }

  #entry(): Entry {
    let min = 1;
    let max = 1;
    const [token, after] = [this.next, this.#tokens[this.#at + 1]];
    if (this.#accept("?")) min = 0;
    else if (token === "*" || (/^\d+$/.test(token) && after === "*")) {
      min = token === "*" ? 0 : this.#number();
      this.expect("*");
      max = /^\d+$/.test(this.next) && this.#tokens[this.#at + 1] !== ":" ? this.#number() : Infinity;
    }
    if (this.next === "(") return { min, max, of: { is: "group", group: this.parenthesizedGroup() } };
    if (this.#tokens[this.#at + 1] === ":") {
      const key = this.identifier();
      this.expect(":");
      return { min, max, key, of: this.type() };
    }
    return { min, max, of: this.type() };
  }
}
