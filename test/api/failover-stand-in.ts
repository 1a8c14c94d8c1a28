/** Failover for the tests of HTTP and console: the real services of three cards over an order in memory, seen from the second one. */
import type { FailoverSource } from "../../src/api/failover-source.ts";
import type { CardId } from "../../src/base/ids.ts";
import type { FailoverStatus, OperatorAnswer, OperatorRequest } from "../../src/failover/service-types.ts";
import { build, where } from "../failover/service-systems.ts";
import type { HostCard, ServiceWorld } from "../failover/service-world.ts";

export class FailoverStandIn implements FailoverSource {
  readonly world: ServiceWorld;
  readonly asked: { readonly order: OperatorRequest; readonly dryRun: boolean }[] = [];
  isAbsent = false;

  constructor(seed = 1) {
    this.world = build(seed, { cards: 3 });
    this.world.run(3_000);
  }

  /** The card that is asked. */
  get host(): HostCard {
    return this.world.card(2);
  }

  status(): FailoverStatus | undefined {
    return this.isAbsent ? undefined : this.host.service.status(this.world.now + this.host.clockAheadMs);
  }

  async operate(order: OperatorRequest, dryRun: boolean): Promise<OperatorAnswer> {
    this.asked.push({ order, dryRun });
    const client = this.world.operate(this.host, order, dryRun);
    for (let turn = 0; turn < 100 && !this.host.answers.has(client); turn++) this.world.run(200);
    const answer = this.host.answers.get(client);
    if (answer === undefined) throw new Error("the service answers nobody");
    return await Promise.resolve(answer);
  }

  /** The card that has the resource. */
  where(resource: string): CardId {
    return where(this.world, resource)[0] as CardId;
  }
}
