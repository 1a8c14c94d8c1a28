/** What goes into the storage service of a card and what comes out of it. Types only; `STORAGE.md` tells the whole. */
import type { CardId } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import type { NodeView } from "../cluster/view.ts";
import type { BlockAnswer, BlockOrder, BlockReport, DeviceId, LegId, MirrorPolicy } from "./blocks.ts";
import type { Generation } from "./generation.ts";
import type { DeviceMemory, LegState } from "./leg-state.ts";

/** The group of the system whose members are the storage services of all cards. */
export const storageGroup = "cardinal.storage";

/** What this card is, for as long as its program runs. */
export type StorageIdentity = {
  readonly card: CardId;
  readonly incarnation: number;
  /** 64 bits drawn at this start, as 16 hexadecimal digits. */
  readonly seed: string;
  /** What this card has kept of earlier runs (`keep`); undefined when it never kept anything. */
  readonly notes: ReadonlyMap<DeviceId, DeviceMemory> | undefined;
};

/** Which change of the configuration a definition is as of. Compared by epoch, then by sequence. */
export type DefinitionPlace = { readonly epoch: number; readonly sequence: number };

/** A device as it is configured. */
export type DeviceDefinition = {
  /** An imaging device is not mirrored: it has one leg, without a superblock. */
  readonly kind: "storage" | "imaging";
  readonly legs: readonly LegDefinition[];
  readonly policy: MirrorPolicy;
};

export type LegDefinition = {
  readonly leg: LegId;
  readonly role: "primary" | "backup";
  /** Where each card of the subgroup finds the copy. */
  readonly paths: ReadonlyMap<CardId, string>;
};

export type StorageInput =
  /** A view at its place in the order, before what is ordered in it. */
  | { readonly kind: "epoch"; readonly view: NodeView }
  /** What the group service tells its member. */
  | { readonly kind: "group"; readonly event: ApplicationEvent }
  /** All devices, as this card's replica has them while it is current. */
  | { readonly kind: "configuration"; readonly place: DefinitionPlace; readonly devices: ReadonlyMap<DeviceId, DeviceDefinition> }
  /** Failover has granted the device to this card, in the epoch that is to be its term. Answered with `served`, or `unservable`. */
  | { readonly kind: "serve"; readonly device: DeviceId; readonly term: number }
  /** Nothing of the device is to be served here any more. Answered with `ceased`. */
  | { readonly kind: "cease"; readonly device: DeviceId }
  | { readonly kind: "answered"; readonly answer: BlockAnswer }
  | { readonly kind: "reported"; readonly report: BlockReport }
  /** A `keep` is durable, or could not be made so. */
  | { readonly kind: "kept"; readonly device: DeviceId; readonly revision: number; readonly failed: boolean }
  /** Configuration data of a resource that this card hosts, when the edge finds it or it changes (PB-4). */
  | { readonly kind: "data"; readonly device: DeviceId; readonly leg: LegId; readonly bytes: Uint8Array }
  /** Each client's order has one answer. */
  | { readonly kind: "operate"; readonly client: number; readonly order: StorageOrder }
  | { readonly kind: "tick" };

/** An operator's order. */
export type StorageOrder =
  & { readonly device: DeviceId; readonly by: string }
  & (
    /** What the cards that are here remember of the device is right, or it is new. */
    | { readonly verb: "assume" }
    /** What this leg has counts for nothing: it is synchronized in full. */
    | { readonly verb: "resolve"; readonly leg: LegId }
    /** This leg is the device, whatever the others have. */
    | { readonly verb: "force"; readonly leg: LegId }
  );

export type StorageAnswer =
  | { readonly kind: "ordered" }
  | {
    readonly kind: "refused";
    readonly code: "not-known" | "no-device" | "no-leg" | "in-sync" | "served" | "unanswered";
    readonly message: string;
    readonly hint: string;
  };

export type StorageOutput =
  | { readonly kind: "request"; readonly request: ApplicationRequest }
  | { readonly kind: "block"; readonly order: BlockOrder }
  /** To be durable on this card; undefined: the device is no more. Answered with `kept`. Of two that wait for one device the first need not be written. */
  | { readonly kind: "keep"; readonly device: DeviceId; readonly memory: DeviceMemory | undefined; readonly revision: number }
  | { readonly kind: "served" | "ceased"; readonly device: DeviceId; readonly term: number }
  | { readonly kind: "unservable"; readonly device: DeviceId; readonly term: number; readonly reason: string }
  /** Whether this card could serve the device now: for failover. Told at each change. */
  | { readonly kind: "standing"; readonly device: DeviceId; readonly inSync: boolean; readonly reason: string }
  | { readonly kind: "operated"; readonly client: number; readonly answer: StorageAnswer }
  /** Configuration data of a resource of a subgroup that this card is in, new or changed. */
  | { readonly kind: "resourceData"; readonly device: DeviceId; readonly leg: LegId; readonly bytes: Uint8Array }
  /** Raised, or with new words; without a text it is over. */
  | { readonly kind: "alarm"; readonly code: StorageAlarmCode; readonly about: string; readonly text: string | undefined }
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number | boolean>>;
  };

export type StorageAlarmCode =
  /** A leg is out of sync, or nobody reaches it. */
  | "leg-out"
  /** Two legs went on without each other. */
  | "leg-diverged"
  /** It is not known which leg is right. */
  | "device-unsure"
  /** A card cannot keep its notes. */
  | "notes-failed";

/** What a card saw of a leg that it looked at. */
export type LegSeen = {
  readonly bytes: number;
  readonly blockBytes: number;
  readonly state: LegState | undefined;
  readonly foreign: boolean;
  readonly clean: boolean;
};

/**
 * What the services put into the order. Whether it holds is decided where it is delivered (`storage-state.ts`). `of`: the beginning whose state the sender knows; 0 while it
 * knows none.
 */
export type StorageEntry =
  & { readonly of: number }
  & (
    /** "I am here and know nothing", with a piece of the sender's notes; an empty text when it has none. */
    | { readonly kind: "announce"; readonly index: number; readonly count: number; readonly data: string }
    /**
     * A piece of all that is agreed on, as it was after the message with the sequence `asOf`. `begins`: nobody knew anything, it begins anew with this; counts while the group's
     * view has this number.
     */
    | {
      readonly kind: "state";
      readonly asOf: number;
      readonly begins: number;
      readonly index: number;
      readonly count: number;
      readonly data: string;
    }
    | {
      readonly kind: "define";
      readonly place: DefinitionPlace;
      readonly device: DeviceId;
      readonly definition: DeviceDefinition | undefined;
    }
    /** The sender reaches the leg, and what it saw; or does not, and why (PB-8). */
    | { readonly kind: "access"; readonly device: DeviceId; readonly leg: LegId; readonly seen: LegSeen | undefined; readonly why: string }
    /** The sender is to serve the device with this leg. The generation is for those that stay in sync, if some go out with it. */
    | {
      readonly kind: "claim";
      readonly device: DeviceId;
      readonly leg: LegId;
      readonly term: number;
      readonly generation: Generation;
    }
    /** The sender has the leg open, and has noted the term. */
    | { readonly kind: "ready"; readonly device: DeviceId; readonly leg: LegId; readonly term: number; readonly state: LegState }
    | {
      readonly kind: "out";
      readonly device: DeviceId;
      readonly term: number;
      readonly legs: readonly LegId[];
      readonly generation: Generation;
    }
    | { readonly kind: "in"; readonly device: DeviceId; readonly term: number; readonly leg: LegId }
    /** The leg is to be synchronized in full. */
    | { readonly kind: "full"; readonly device: DeviceId; readonly term: number; readonly leg: LegId; readonly generation: Generation }
    /** The sender has this revision in its note, and in the superblock of each leg in sync that it hosts; or will not have it. */
    | { readonly kind: "kept"; readonly device: DeviceId; readonly revision: number; readonly failed: boolean }
    /** The sender has the leg open no more. */
    | { readonly kind: "released"; readonly device: DeviceId; readonly leg: LegId }
    | { readonly kind: "data"; readonly device: DeviceId; readonly leg: LegId; readonly text: string }
    | { readonly kind: "operate"; readonly id: number; readonly order: StorageOrder; readonly generation: Generation }
  );
