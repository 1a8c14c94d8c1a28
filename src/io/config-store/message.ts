/** What the store's two threads say to each other. Types only. */
import type { StoreOrder, StoreResult } from "../../config/store.ts";
import type { StoreRead } from "./read.ts";

export type ToThread =
  | { readonly kind: "order"; readonly order: StoreOrder }
  | { readonly kind: "read"; readonly number: number; readonly read: StoreRead }
  | { readonly kind: "close" };

export type FromThread =
  /** `tables`: those whose rows a commit changed. */
  | { readonly kind: "result"; readonly result: StoreResult; readonly tables?: readonly string[] }
  | { readonly kind: "answer"; readonly number: number; readonly answer: unknown }
  | { readonly kind: "closed" };

export type ThreadSettings = { readonly directory: string };
