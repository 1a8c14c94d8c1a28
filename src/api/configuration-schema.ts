/** What the card answers about the configuration, as zod schemas, for the OpenAPI document alone. */
import { z } from "@hono/zod-openapi";
import type { ConfigurationStatus } from "../config/request.ts";
import { tableNames } from "../config/rules.ts";
import { cardId, count, counters, mayBeAbsent, wholeMs } from "./schema-part.ts";

const place = (description: string) => z.string().regex(/^[1-8]\/[1-8]$/).meta({ description });
const instant = (description: string) => z.int().min(0).meta({ description: `${description}, in milliseconds since 1970.` });
const table = z.enum(tableNames).meta({ description: "A table." });
const id = z.string().meta({ description: "A row's id." });
const columns = (description: string) => z.record(z.string(), z.unknown()).meta({ description });

export const headSchema = z.object({
  sequence: count("The number of the last change; 0 for none."),
  epoch: count("The view that ordered it."),
  hash: z.string().regex(/^[0-9a-f]{64}$/).meta({ description: "The hash of the chain up to it: equal hashes mean equal tables." }),
}).meta({ id: "Head", description: "The end of the chain of changes." });

const branch = z.object({
  id: z.string().regex(/^[0-9a-f]{8}$/).meta({ description: "The first digits of its head's hash." }),
  setAsideAt: instant("When it was set aside"),
  changes: count("Its changes after the last common one."),
  since: count("The sequence of the last common change."),
}).meta({ id: "Branch", description: "What this card had and the others had not, when they met again. It is on this card only." });

const progress = z.object({
  what: z.enum(["changes", "snapshot"]).meta({ description: "Whether `done` and `of` count changes, or bytes of a snapshot." }),
  done: count("What has come."),
  of: count("All of it."),
  from: cardId,
}).meta({ description: "How far a card is that catches up." });

export const configurationStatusSchema = z.object({
  state: z.enum(["opening", "joining", "catching-up", "current", "stale", "hold"]).meta({
    description:
      "`current`: every acknowledged change is here; `stale`: no quorum, so it can be read with its age and not be changed; `hold`: the store cannot be used.",
  }),
  reason: mayBeAbsent(z.string().meta({ description: "Why it is not current, in words." })),
  code: mayBeAbsent(z.string().meta({ description: "With `hold`: what is the matter, such as `disk-full`." })),
  head: headSchema,
  level: count("The migrations that the tables have had."),
  levelMax: count("The highest level that this card's software stores."),
  replicas: z.array(cardId).readonly().meta({ description: "The cards that have every acknowledged change." }),
  ageMs: wholeMs("How long ago this card last knew that its head is the system's; 0 while it is current"),
  progress: mayBeAbsent(progress),
  branches: z.array(branch).readonly().meta({ description: "The branches on this card." }),
  pending: count("Changes of this card's callers that are under way."),
  load: z.object({
    served: count("For its own callers."),
    servedForOthers: count("For callers of other cards."),
    forwarded: count("Handed to other cards."),
  }).meta({ description: "Requests of management since the card's start." }),
  counters: counters("What the replica has counted since its start."),
}).meta({ id: "ConfigurationStatus", description: "How current a card's copy of the configuration is." });

export const configurationSchema = configurationStatusSchema.extend({
  card: cardId,
  tokenFile: z.string().meta({ description: "The file on the card with the token of its root." }),
}).meta({ id: "Configuration" });

export const stepSchema = z.object({
  kind: z.enum(["insert", "update", "remove"]).meta({ description: "Whether the row is made, changed or removed." }),
  table,
  id,
  before: mayBeAbsent(columns("The row before; of an update only the columns that differ.")),
  after: mayBeAbsent(
    columns("The row after; of an update only the columns that differ, of a row that is made not those that its id says."),
  ),
}).meta({ id: "Step", description: "What becomes of one row. Secrets are not shown." });

export const planSchema = z.object({ head: headSchema, steps: z.array(stepSchema).meta({ description: "What would be done." }) }).meta({
  id: "Plan",
  description: "What would be changed, upon which head. Send the head's hash as `If-Match` to have exactly that.",
});

export const changedSchema = z.object({
  head: headSchema,
  servedBy: place("The card that carried it out."),
  repeated: z.boolean().meta({ description: "It had been carried out before, by its key." }),
  steps: mayBeAbsent(z.array(stepSchema).meta({ description: "What was done, where it was planned." })),
}).meta({ id: "Changed", description: "Every replica has the change durably." });

export const rowSchema = z.looseObject({ id }).meta({
  id: "Row",
  description: "A row: its id and the columns that are set. `/v1/configuration/tables` says which there are.",
});

export const rowsSchema = z.object({
  table,
  head: headSchema,
  rows: z.array(rowSchema).meta({ description: "By their ids." }),
  next: mayBeAbsent(z.string().meta({ description: "Where the next page begins: send it as `after`." })),
}).meta({ id: "Rows" });

export const tablesSchema = z.object({
  tables: z.array(z.object({
    name: table,
    about: z.string().meta({ description: "What its rows are." }),
    rowsMax: count("The most rows that it may have."),
    writable: z.boolean().meta({ description: "Whether it is changed by callers." }),
    columns: z.array(z.object({
      name: z.string().meta({ description: "The column's name." }),
      about: z.string().meta({ description: "What it means." }),
      kind: z.string().meta({ description: "What sort of value it holds." }),
      required: z.boolean().meta({ description: "Whether a row without it is refused." }),
      secret: mayBeAbsent(z.boolean().meta({ description: "It is never shown." })),
    })).meta({ description: "Its columns besides the id." }),
  })).meta({ description: "All tables." }),
}).meta({ id: "Tables" });

export const valueSchema = z.object({ head: headSchema, value: z.unknown().meta({ description: "The value as JSON." }) }).meta({
  id: "Value",
});
export const pathsSchema = z.object({ head: headSchema, paths: z.array(z.string()).meta({ description: "The places, in order." }) }).meta({
  id: "Paths",
});
export const settingSchema = z.object({
  text: z.string().meta({ description: "The value as text: plain, a number, true or false; JSON for a row or a section." }),
}).meta({ id: "Setting" });

export const changeSchema = z.object({
  sequence: count("Its number in the chain."),
  epoch: count("The view that ordered it."),
  hash: z.string().meta({ description: "Its hash in the chain." }),
  kind: z.enum(["rows", "migrate"]).meta({ description: "`migrate` raises the level of the tables." }),
  author: z.string().meta({ description: "Who asked: a token's name, or `card 1/2` for the card's own." }),
  comment: z.string().meta({ description: "Why it was made." }),
  card: cardId,
  time: instant("When it was planned, by that card's clock"),
  bytes: count("The size of its changeset."),
  rows: mayBeAbsent(z.array(stepSchema).meta({ description: "What it did to rows, when asked for." })),
}).meta({ id: "Change" });

export const historySchema = z.object({
  head: headSchema,
  changes: z.array(changeSchema).meta({ description: "Newest first." }),
  next: mayBeAbsent(count("Where the next page begins: send it as `before`.")),
}).meta({ id: "History" });

export const branchesSchema = z.object({ card: cardId, branches: z.array(branch).meta({ description: "The branches on this card." }) })
  .meta({ id: "Branches" });

export const branchRowsSchema = z.object({
  branch: z.string().meta({ description: "The branch's id." }),
  head: headSchema,
  rows: z.array(z.object({
    table,
    id,
    changed: z.enum(["branch", "chain", "both"]).meta({ description: "Which side changed it since they parted." }),
    common: mayBeAbsent(columns("The row when they parted.")),
    branch: mayBeAbsent(columns("The branch's row.")),
    chain: mayBeAbsent(columns("The row of what went on.")),
    author: mayBeAbsent(z.string().meta({ description: "Who changed it last in the branch." })),
    time: mayBeAbsent(instant("When that was")),
  })).meta({ description: "The rows that differ." }),
  next: mayBeAbsent(z.string().meta({ description: "Where the next page begins: send it as `after`." })),
}).meta({ id: "BranchRows" });

const setFindingSchema = z.object({
  code: z.string().meta({ description: "What it is, such as `one-card`." }),
  severity: z.enum(["error", "warning"]).meta({
    description: "`error`: nobody can serve it; `warning`: not everything can be served, or not after a failure.",
  }),
  table,
  id,
  message: z.string().meta({ description: "What is so, and what would be right." }),
}).meta({ id: "SetFinding" });

export const checkedSchema = z.object({
  card: cardId,
  findings: z.array(z.string()).meta({ description: "All that is wrong; empty when nothing is." }),
  repaired: z.boolean().meta({ description: "What was wrong was taken from another card." }),
  sets: mayBeAbsent(
    z.array(setFindingSchema).meta({ description: "What is to be said of the failover sets; absent while the tables cannot be read." }),
  ),
}).meta({ id: "Checked" });

export const discardedSchema = z.object({ discarded: z.string().meta({ description: "The id of the branch that is gone." }) }).meta({
  id: "Discarded",
});

type Both<A, B> = [A, B] extends [B, A] ? true : never;
/** Never, and so no type for `true`, when the schema and the type it mirrors differ. */
export type ConfigurationStatusAgrees = Both<z.output<typeof configurationStatusSchema>, ConfigurationStatus>;
true satisfies ConfigurationStatusAgrees;
