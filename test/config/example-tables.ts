/** The tables of the example system. */
import * as assert from "uvu/assert";
import { type DocumentPlan, planDocument } from "../../src/config/document.ts";
import { configurationExample } from "../../src/config/example.ts";
import { context, MemoryTables } from "./memory-tables.ts";

export function exampleTables(): MemoryTables {
  const tables = new MemoryTables();
  const plan = planDocument(configurationExample, tables, context);
  assert.not("mistakes" in plan, JSON.stringify(plan));
  assert.is(tables.change((plan as DocumentPlan).operations), undefined);
  return tables;
}
