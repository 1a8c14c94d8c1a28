/** The storage service of a card, as a node has it. */
import type { DeviceId } from "../storage/blocks.ts";
import type { DeviceAgreed } from "../storage/device-state.ts";
import { decodeLegState, type LegState } from "../storage/leg-state.ts";
import type { Service } from "../service.ts";
import { StorageService } from "../storage/service.ts";
import type { StorageIdentity, StorageInput, StorageOutput } from "../storage/storage-types.ts";

export type Storing = Service<StorageInput, StorageOutput> & {
  agreed(): { readonly sequence: number; readonly text: string } | undefined;
  readonly sequence: number | undefined;
  readonly devices: ReadonlyMap<DeviceId, DeviceAgreed> | undefined;
  isKept(device: DeviceId): boolean;
  readonly reason: string | undefined;
};

export function startStoring(identity: StorageIdentity): Storing {
  return new StorageService(identity);
}

/** What a superblock says. */
export function legStateIn(bytes: Uint8Array): LegState | undefined {
  return decodeLegState(bytes);
}
