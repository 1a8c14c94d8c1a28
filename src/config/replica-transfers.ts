/**
 * Catching up from others and helping others to, over the one database of this card.
 */
import type { CardId } from "../base/ids.ts";
import type { ConfigMessage } from "../wire/message.ts";
import type { Change } from "./change.ts";
import { CatchUp } from "./replica-catch-up.ts";
import type { Database, Opened } from "./replica-database.ts";
import { Supply } from "./replica-supply.ts";
import type { ConfigurationStatus } from "./request.ts";

export type TransfersPorts = {
  readonly send: (to: CardId, message: ConfigMessage, isAgain: boolean) => void;
  /** The database has been taken back or replaced. */
  readonly onOpened: (opened: Opened) => void;
  readonly commit: (changes: readonly Change[]) => void;
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
};

export class Transfers {
  readonly #card: CardId;
  readonly #database: Database;
  readonly #ports: TransfersPorts;
  #catchUp: CatchUp;
  #supply: Supply;
  #setAside = 0;
  #installed = 0;

  constructor(card: CardId, database: Database, ports: TransfersPorts) {
    this.#card = card;
    this.#database = database;
    this.#ports = ports;
    this.#catchUp = this.#newCatchUp();
    this.#supply = this.#newSupply();
  }

  get counters(): Pick<ConfigurationStatus["counters"], "setAside" | "installed" | "snapshots"> {
    return { setAside: this.#setAside, installed: this.#installed, snapshots: this.#supply.snapshots };
  }

  deadline(): number {
    return Math.min(this.#catchUp.deadline(), this.#supply.deadline());
  }

  onTick(now: number): void {
    this.#catchUp.onTick(now);
    this.#supply.onTick(now);
  }

  /** The store has been opened anew: it has none of the snapshots that were made for others. */
  onStoreOpened(): void {
    this.#supply = this.#newSupply();
  }

  /** This card catches up from one of these, if it is not at it already. */
  begin(now: number, replicas: readonly CardId[]): void {
    if (this.#database.isChanging("database")) return;
    this.#catchUp.begin(now, this.#database.ordered, replicas.filter((card) => card !== this.#card));
  }

  /** What this card was catching up with is not what is accepted any more. */
  abandon(): void {
    this.#catchUp.abandon();
    this.#catchUp = this.#newCatchUp();
  }

  progress(): ConfigurationStatus["progress"] {
    return this.#catchUp.progress();
  }

  onAsk(now: number, from: CardId, message: Parameters<Supply["onAsk"]>[2]): void {
    this.#supply.onAsk(now, from, message);
  }

  onGive(now: number, from: CardId, message: Parameters<CatchUp["onGive"]>[2]): void {
    this.#catchUp.onGive(now, from, message);
  }

  #newCatchUp(): CatchUp {
    return new CatchUp(this.#card, {
      ask: (to, id, question, isAgain) => this.#ports.send(to, { kind: "configAsk", id, ...question }, isAgain),
      order: (body, take) => this.#database.order(body, take),
      orderDatabase: (body, take) => {
        this.#database.order(body, (now, result) => {
          if (result.kind === "opened") {
            if (body.kind === "setAside") this.#setAside++;
            else this.#installed++;
            this.#ports.onOpened(result);
          }
          take(now, result);
        }, "database");
      },
      commit: this.#ports.commit,
      log: this.#ports.log,
    });
  }

  #newSupply(): Supply {
    return new Supply({
      give: (to, id, gift, isAgain = false) => this.#ports.send(to, { kind: "configGive", id, ...gift }, isAgain),
      order: (body, take) => this.#database.order(body, take),
      sequence: () => this.#database.durable.sequence,
    });
  }
}
