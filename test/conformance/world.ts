/** What every conformance suite needs of the place that it runs in, and the two kinds of place. */
import { setTimeout } from "node:timers/promises";
import type { Drivers } from "../../src/io/ports.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type World = {
  readonly drivers: Drivers;
  /** Waits until the condition holds; fails when it does not within a bound. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Waits until what was under way has arrived, so that what has not come will not come. */
  settle(): Promise<void>;
  /** Ends everything that the world has started. */
  end(): Promise<void>;
};

/** Why a property cannot be had of one side, by the property's name. A name that no test has is an error. */
export type Skips = Readonly<Record<string, string>>;

/** uvu's `test`, as far as the suites use it. */
export type Tester = {
  (name: string, run: () => Promise<void> | void): void;
  skip(name?: string, run?: () => Promise<void> | void): void;
};

/** Registers the properties of a suite, each in a fresh world that ends with it. */
export class Suite<Place extends Pick<World, "end">> {
  readonly #test: Tester;
  readonly #name: string;
  readonly #make: () => Promise<Place>;
  readonly #skips: Map<string, string>;

  constructor(test: Tester, name: string, make: () => Promise<Place>, skips: Skips) {
    this.#test = test;
    this.#name = name;
    this.#make = make;
    this.#skips = new Map(Object.entries(skips));
  }

  property(name: string, run: (place: Place) => Promise<void>): void {
    const reason = this.#skips.get(name);
    this.#skips.delete(name);
    if (reason !== undefined) return this.#test.skip(`${this.#name}: ${name} (skipped: ${reason})`, () => {});
    this.#test(`${this.#name}: ${name}`, async () => {
      const place = await this.#make();
      try {
        await run(place);
      } finally {
        await place.end();
      }
    });
  }

  /** Call it last. */
  close(): void {
    const unknown = [...this.#skips.keys()];
    if (unknown.length > 0) throw new Error(`skips that no property has: ${unknown.join(", ")}`);
  }
}

const untilMs = 5_000;
const settleMs = 60;

/** Waiting in real time. */
export const realWaiting: Pick<World, "until" | "settle"> = {
  async until(what, condition) {
    const end = performance.now() + untilMs;
    while (!condition()) {
      if (performance.now() > end) throw new Error(`not within ${untilMs} ms: ${what}`);
      await setTimeout(1);
    }
  },
  settle: () => setTimeout(settleMs),
};

/** Waiting in virtual time: it passes as far as it must, and without a bound only nothing can happen. */
export function virtualWaiting(time: VirtualTime): Pick<World, "until" | "settle"> {
  return {
    async until(what, condition) {
      while (!condition()) {
        if (!await time.step() && !condition()) throw new Error(`nothing is left to happen, and still not: ${what}`);
      }
    },
    settle: () => time.idle(),
  };
}
