/** What the store's two threads say to each other. Types only. */
import type { StoreOrder, StoreResult } from "../../config/store.ts";

export type ToThread =
  | { readonly kind: "order"; readonly order: StoreOrder }
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "result"; readonly result: StoreResult }
  | { readonly kind: "closed" };

export type ThreadSettings = { readonly directory: string };
