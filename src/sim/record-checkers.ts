/** What the records of failovers must tell: each of them, and all of them together of what the machines did. */
import type { FailoverRecord } from "../failover/failover-record.ts";
import type { Effect } from "../node/effect.ts";
import type { Scene, Unsettled } from "./checker.ts";
import { FailoverChecker } from "./failover-checker.ts";
import type { FailoverSystem } from "./failover-system.ts";
import type { Run, SimCard } from "./sim-card.ts";

/** What a card took over from a machine that had ended. */
type Takeover = { readonly service: string; readonly from: SimCard; readonly to: SimCard; readonly at: number };
/** A machine's end, and what it ran then: each resource with the beginning in which it was started. */
type Ending = { readonly at: number; readonly resources: ReadonlyMap<string, number | undefined> };

/** A start within this after the end of its last card is a takeover; later ones may have other causes. */
const takeoverMs = 3_000;

export class RecordsTell extends FailoverChecker {
  readonly name = "records-tell";
  readonly sentence =
    "Each takeover has a record, and the record of a failover that is over has its cause and verdict, its evidence, the receipt or the stop that came before the grant, and phases that follow each other.";
  readonly #system: FailoverSystem;
  readonly #endings = new Map<SimCard, Ending>();
  readonly #startedIn = new Map<SimCard, Map<string, number | undefined>>();
  readonly #takeovers: Takeover[] = [];
  /** "service card" of each grant that a record tells of. */
  readonly #told = new Set<string>();

  constructor(system: FailoverSystem) {
    super();
    this.#system = system;
  }

  override each(_scene: Scene, _card: SimCard, _run: Run, effects: readonly Effect[]): string | undefined {
    for (const effect of effects) {
      if (effect.kind !== "record") continue;
      const { record } = effect;
      for (const event of record.events) if (event.kind === "granted") this.#told.add(`${event.service} ${event.to}`);
      const wrong = record.phase === "closed" ? wrongWith(record) : undefined;
      if (wrong !== undefined) return `failover ${record.id} ${wrong}`;
    }
    return undefined;
  }

  override killed({ at }: Scene, card: SimCard): string | undefined {
    const started = this.#startedIn.get(card);
    const running = [...this.#system.on(card)].filter(([id, state]) => state === "running" && !this.#system.isHot(id)).map(([id]) =>
      [id, started?.get(id)] as const
    );
    this.#endings.set(card, { at, resources: new Map(running) });
    return undefined;
  }

  override started({ at }: Scene, card: SimCard, resource: string): string | undefined {
    const service = this.#system.serviceOf(resource);
    const generation = card.run?.program.decidedFailover?.()?.generation;
    const started = this.#startedIn.get(card) ?? new Map<string, number | undefined>();
    this.#startedIn.set(card, started.set(resource, generation));
    for (const [from, { at: endedAt, resources }] of this.#endings) {
      if (service === undefined || from === card || at >= endedAt + takeoverMs || !resources.has(resource)) continue;
      if (resources.get(resource) === generation) this.#takeovers.push({ service, from, to: card, at });
      this.#endings.set(from, { at: endedAt, resources: new Map([...resources].filter(([id]) => id !== resource)) });
    }
    return undefined;
  }

  override settled(): Unsettled | undefined {
    const missing = this.#takeovers.find(({ service, to }) => !this.#told.has(`${service} ${to.id}`));
    if (missing === undefined) return undefined;
    const { service, from, to, at } = missing;
    return { card: to, detail: `took ${service} over from ${from.label} at ${at.toFixed(0)} ms, and no record tells of it` };
  }
}

/** What a record that is closed lacks, or tells wrong. */
function wrongWith({ subject, verdict, receipt, events, entered, startedAt }: FailoverRecord): string | undefined {
  if (verdict === undefined || verdict.text === "") return "has no verdict with its cause";
  if (subject.kind !== "order" && !events.some(({ kind }) => kind === "evidence")) return "has no evidence";
  const grants = events.filter((event) => event.kind === "granted");
  const hasStopped = events.some((event) => event.kind === "hookEnded" && event.hook === "stop" && event.outcome === "done");
  const takesOver = subject.kind === "card" && grants.some(({ from }) => from === subject.card);
  if (takesOver && receipt === undefined && !hasStopped) return `of card ${subject.kind === "card" ? subject.card : 0} has no receipt`;
  const epochs = grants.map(({ service, epoch }) => `${service} ${epoch}`);
  if (new Set(epochs).size < epochs.length) return `tells of a grant twice: ${epochs.join(", ")}`;
  const running = events.find((event) =>
    event.kind === "running" && !grants.some(({ service, at }) => service === event.service && at <= event.at)
  );
  if (running?.kind === "running" && grants.some(({ service }) => service === running.service)) {
    return `has ${running.service} run before its grant`;
  }
  let last = startedAt;
  for (const phase of ["characterized", "fenced", "granted", "up"] as const) {
    const at = entered[phase];
    if (at === undefined) continue;
    if (!Number.isFinite(at) || at < startedAt) return `entered ${phase} at ${at}, and began at ${startedAt}`;
    last = Math.max(last, at);
  }
  return entered.closed !== undefined && entered.closed < last ? `is closed at ${entered.closed}, and went on until ${last}` : undefined;
}
