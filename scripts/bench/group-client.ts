/**
 * One member of a group on a card that loads it and measures; the counterpart for corosync is `cpg/cpg-load.c`, which says
 * how it goes.
 *
 *   node scripts/bench/group-client.ts SOCKET GROUP MEMBERS SENDER BYTES PER_SECOND SECONDS
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type GroupClient } from "../../src/client/client.ts";
import type { CardId } from "../../src/base/ids.ts";
import { type Delivered, headBytes, type Load, orderAfter, orderAtStart } from "./group-load.ts";

/** For the others to join, and for what is under way at the end. */
const joinMs = 30_000;
const drainMs = 30_000;

class GroupMember {
  readonly #client: GroupClient;
  readonly #load: Load;
  readonly #members: number;
  readonly #sentAt: number[] = [];
  readonly #next = new Map<CardId, number>();
  #lasts = 0;
  #delivered = 0;
  #order = orderAtStart;
  #firstAt: number | undefined;
  readonly #latenciesUs: number[] = [];

  constructor(client: GroupClient, members: number, load: Load) {
    this.#client = client;
    this.#members = members;
    this.#load = load;
  }

  /** Takes events until everybody's last message; sends meanwhile, once everybody is there. */
  async run(): Promise<Delivered> {
    const { name, sender } = this.#load;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    const giveUp = (afterMs: number, what: string) => setTimeout(() => failed.reject(new Error(`${what} within ${afterMs} ms`)), afterMs);
    let timer = giveUp(joinMs, `not ${this.#members} members`);
    let isComplete = false;
    const onMembers = (count: number) => {
      if (isComplete || count !== this.#members) return;
      isComplete = true;
      clearTimeout(timer);
      timer = giveUp(this.#load.seconds * 1_000 + drainMs, "not everything was delivered");
      if (sender === 0 || sender === this.#client.card) this.#send(failed.reject).catch(failed.reject);
    };
    const take = async () => {
      await this.#client.join(name, { name: "load" });
      for await (const event of this.#client) {
        if (event.kind === "message") {
          if (this.#onMessage(event.from.card, event.data)) return;
        } else if (event.kind === "joined" || event.kind === "view") {
          onMembers(event.view.members.length);
        } else if (event.kind === "lost") {
          throw new Error(`messages were lost: ${event.reason}`);
        }
      }
    };
    await Promise.race([take(), failed.promise]);
    clearTimeout(timer);
    return {
      card: this.#client.card,
      delivered: this.#delivered,
      order: this.#order,
      ms: performance.now() - (this.#firstAt as number),
      latenciesUs: this.#latenciesUs,
    };
  }

  async #send(fail: (error: unknown) => void): Promise<void> {
    const { perSecond, seconds } = this.#load;
    const startedAt = performance.now();
    const endAt = startedAt + seconds * 1_000;
    let number = 0;
    for (; performance.now() < endAt; number++) {
      if (perSecond > 0) {
        const due = startedAt + (number * 1_000) / perSecond;
        if (due >= endAt) break;
        await sleep(Math.max(0, due - performance.now()));
        this.#sentAt[number] = performance.now();
      } else {
        await this.#client.room();
      }
      this.#sendOne(number, false).catch(fail);
    }
    await this.#client.room();
    await this.#sendOne(number, true);
  }

  async #sendOne(number: number, isLast: boolean): Promise<void> {
    const data = new Uint8Array(this.#load.bytes);
    const head = new DataView(data.buffer, 0, headBytes);
    head.setUint32(0, isLast ? 1 : 0, true);
    head.setUint32(4, number, true);
    await this.#client.send(this.#load.name, data);
  }

  /** True when that was everybody's last. */
  #onMessage(from: CardId, data: Uint8Array): boolean {
    const { bytes, perSecond, sender } = this.#load;
    if (data.length !== bytes) throw new Error(`a message of ${data.length} bytes, which nobody of this load sends`);
    const head = new DataView(data.buffer, data.byteOffset, headBytes);
    const [isLast, number] = [head.getUint32(0, true) !== 0, head.getUint32(4, true)];
    const next = this.#next.get(from) ?? 0;
    if (number !== next) throw new Error(`message ${number} of card ${from} where ${next} was to come`);
    this.#next.set(from, next + 1);
    this.#firstAt ??= performance.now();
    this.#order = orderAfter(this.#order, from, number);
    if (isLast) return ++this.#lasts === (sender === 0 ? this.#members : 1);
    this.#delivered++;
    if (perSecond > 0 && from === this.#client.card) {
      this.#latenciesUs.push(Math.round((performance.now() - (this.#sentAt[number] as number)) * 1_000));
    }
    return false;
  }
}

const [path, name, ...numbers] = process.argv.slice(2);
const [members, sender, bytes, perSecond, seconds] = numbers.map(Number);
if (
  path === undefined || name === undefined || members === undefined || sender === undefined || bytes === undefined ||
  perSecond === undefined || seconds === undefined || bytes < headBytes
) {
  console.error("usage: group-client SOCKET GROUP MEMBERS SENDER BYTES PER_SECOND SECONDS");
  process.exit(2);
}
try {
  const client = await connect({ path });
  const delivered = await new GroupMember(client, members, { name, sender, bytes, perSecond, seconds }).run();
  await client.close();
  process.stdout.write(JSON.stringify(delivered) + "\n");
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
