/** Parts of the schemas of what a card answers. */
import { z } from "@hono/zod-openapi";
import { cardCountMax, type CardId } from "../base/ids.ts";

/** A field that is left out rather than `null` or `undefined`; the generator of the document knows only `optional`. */
export function mayBeAbsent<T extends z.ZodType>(schema: T): z.ZodExactOptional<T> {
  return schema.optional() as unknown as z.ZodExactOptional<T>;
}

export const count = (description: string) => z.int().min(0).meta({ description });
export const wholeMs = (description: string) => z.int().min(0).meta({ description: `${description}, in milliseconds.` });
export const counters = (description: string) => z.record(z.string(), z.int().min(0)).meta({ description });

export const cardId = z.int().min(1).max(cardCountMax).meta({
  description: "The number of a card in its system: (chassis - 1) * 8 + slot.",
}) as unknown as z.ZodType<CardId, number>;
