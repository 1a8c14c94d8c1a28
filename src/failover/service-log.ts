/** What of that which follows from the order is told in the log. Pure. */
import type { Happening } from "./service-state.ts";
import type { FailoverOutput } from "./service-types.ts";

export type LogLine = Extract<FailoverOutput, { kind: "log" }>;

export function logOf(happening: Happening): LogLine | undefined {
  const line = (level: LogLine["level"], event: string, fields: LogLine["fields"]): LogLine => ({ kind: "log", level, event, fields });
  switch (happening.kind) {
    case "moved": {
      const { services, from, to, rule, reason } = happening.move;
      const fields = { services: [...services], from: from?.card ?? 0, to: to?.card ?? 0, rule, reason };
      return line(to === undefined ? "warn" : "info", "move", fields);
    }
    case "granted":
      return line("info", "granted", { service: happening.service, to: happening.to, epoch: happening.epoch });
    case "running":
      return line("info", "running", { service: happening.service, peer: happening.card });
    case "failed": {
      const { service, card, decision, rule, text } = happening;
      return line("warn", "service failed", { service, peer: card, decision, rule, reason: text });
    }
    case "cardEnded":
      return line("info", "card ended", { peer: happening.card, receipt: happening.receipt, reason: happening.text });
    case "fencing":
      return line("error", "fencing", { peer: happening.card, service: happening.service, reason: happening.why });
    case "operated":
      return line("info", "ordered", { verb: happening.order.verb, by: happening.order.by, done: happening.plan.kind === "plan" });
    case "configured":
      return line("info", "failover configured", { sequence: happening.place.sequence });
    default:
      return undefined;
  }
}
