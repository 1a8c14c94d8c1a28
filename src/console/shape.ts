/**
 * Whether what a card answered has what a page cannot do without. Cards of other versions may say more, and the whole
 * shape is in the HTTP schema, which is not loaded for a page of text.
 */

/** Names of members with their types; `[of]` is a list. A name that ends in `?` may be left out, `{}` is any object. */
export type Shape = { readonly [name in string]: "number" | "string" | "boolean" | readonly [Shape | "number"] | Shape };

export function fits(value: unknown, shape: Shape): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(shape).every(([name, expected]) => {
    const optional = name.endsWith("?");
    const member = (value as Record<string, unknown>)[optional ? name.slice(0, -1) : name];
    if (optional && member === undefined) return true;
    const type: string = typeof member;
    if (typeof expected === "string") return type === expected;
    if (!isList(expected)) return fits(member, expected);
    const [item] = expected;
    return Array.isArray(member) && member.every((each) => (item === "number" ? typeof each === "number" : fits(each, item)));
  });
}

function isList(expected: readonly [Shape | "number"] | Shape): expected is readonly [Shape | "number"] {
  return Array.isArray(expected);
}
