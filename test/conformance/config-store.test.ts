/** Both stores of the configuration against one suite: the real one with SQLite on a disk, as a process of its own where it is to be killed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import type { StoreResult } from "../../src/config/store.ts";
import { ConfigStore } from "../../src/io/config-store.ts";
import { SimConfigStore } from "../../src/sim/config-store.ts";
import { command } from "./namespace.ts";
import { configStoreConformance, type Ordered, type StorePlace, type StoreWorld } from "./config-store.ts";

/** A place on a real disk. After a power cut it is the copy that another program made of the files at that instant. */
class RealPlace implements StorePlace {
  directory: string;
  #store: ConfigStore;
  #number = 0;
  readonly #waiting = new Map<number, (result: StoreResult) => void>();

  constructor(directory: string) {
    this.directory = directory;
    this.#store = this.#start();
  }

  order(order: Ordered): Promise<StoreResult> {
    return new Promise((resolve) => {
      this.#waiting.set(this.#number, resolve);
      this.#store.order({ ...order, order: this.#number++ });
    });
  }

  async cutPower(): Promise<void> {
    const copy = `${this.directory}-cut`;
    command("cp", "-r", this.directory, copy);
    await this.#store.terminate();
    this.directory = copy;
    this.#store = this.#start();
  }

  async restart(): Promise<void> {
    await this.#store.close();
    this.#store = this.#start();
  }

  dump(): Promise<string> {
    const { stdout, stderr } = spawnSync("sqlite3", [join(this.directory, "configuration.db"), ".dump"], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    return stderr === "" ? Promise.resolve(stdout) : Promise.reject(new Error(stderr));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #start(): ConfigStore {
    return new ConfigStore({
      directory: this.directory,
      onResult: (result) => {
        this.#waiting.get(result.order)?.(result);
        this.#waiting.delete(result.order);
      },
    });
  }
}

function real(): Promise<StoreWorld> {
  const root = mkdtempSync(join(tmpdir(), "cardinal-store-"));
  const places: RealPlace[] = [];
  return Promise.resolve({
    makePlace: () => {
      const place = new RealPlace(join(root, `place-${places.length}`));
      places.push(place);
      return Promise.resolve(place);
    },
    end: async () => {
      for (const place of places) await place.close();
      rmSync(root, { recursive: true, force: true });
    },
  });
}

/** A place in the simulator, whose time passes as far as a result needs. */
class SimulatedPlace implements StorePlace {
  readonly #store = new SimConfigStore({ wallClock: () => this.#now });
  readonly #waiting = new Map<number, (result: StoreResult) => void>();
  #number = 0;
  #now = 0;

  order(order: Ordered): Promise<StoreResult> {
    this.#store.order(this.#now, { ...order, order: this.#number });
    return new Promise((resolve) => {
      this.#waiting.set(this.#number++, resolve);
      queueMicrotask(() => this.#pass());
    });
  }

  cutPower(): Promise<void> {
    this.#store.cutPower(false);
    return Promise.resolve();
  }

  restart(): Promise<void> {
    return this.cutPower();
  }

  dump(): Promise<string> {
    return Promise.resolve(this.#store.dump());
  }

  #pass(): void {
    if (this.#store.nextAt() === Infinity) return;
    this.#now = this.#store.nextAt();
    for (const result of this.#store.take(this.#now)) {
      this.#waiting.get(result.order)?.(result);
      this.#waiting.delete(result.order);
    }
  }
}

function simulated(): Promise<StoreWorld> {
  return Promise.resolve({ makePlace: () => Promise.resolve(new SimulatedPlace()), end: () => Promise.resolve() });
}

configStoreConformance(test, "real", real, {});
configStoreConformance(test, "simulated", simulated, {});

test.run();
