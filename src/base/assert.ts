/**
 * Asserts an invariant of our own. A failure means that this program is wrong about itself: it throws,
 * nobody catches it, the process exits and the other cards take over. Never used on what comes from outside.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`);
}

/** Closes a `switch` over a literal union: the types prove that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`broken invariant: unreachable value ${JSON.stringify(value)}`);
}
