/**
 * A service decides. It is a class with private state; `step` takes a fact and returns what follows from it.
 * It has no clock, timer, randomness or I/O of its own: `now` is an argument, a timer is a `deadline`,
 * and what must happen in the world is returned as data. Calling `step` with the same list of
 * (now, input) always gives the same outputs; the simulator and the recorder stand on that.
 */
export interface Service<Input, Output> {
  /** Takes one fact at `now` (monotonic milliseconds, never smaller than the last) and returns what follows, in order. */
  step(now: number, input: Input): Output[];
  /** The monotonic instant in milliseconds at which `step` wants a tick; `Infinity` when it waits for facts alone. */
  deadline(): number;
}
