/**
 * What the card program lends to its commands. The console knows neither files nor HTTP servers: whoever composes it
 * gives it these, and loads what is behind one when it is called, for a command that does not use it must not wait.
 */

/** Why something was not done, in one line. */
export type Refusal = { readonly refused: string; readonly message: string };

/** What may be shown of a key: everything but its secret. */
export type KeyName = { readonly id: string; readonly made: string; readonly role: "signing" | "staged" | "retiring" };

/** The steps of a key file; each gives the keys that it holds then, the signing one first. */
export type KeyFiles = {
  generate(path: string, options: { readonly force: boolean; readonly now: Date }): readonly KeyName[] | Refusal;
  read(path: string): readonly KeyName[] | Refusal;
  stage(path: string, now: Date): readonly KeyName[] | Refusal;
  promote(path: string): readonly KeyName[] | Refusal;
  retire(path: string): readonly KeyName[] | Refusal;
};

/** A mistake in a configuration; `line` names the file and the place. */
export type Mistake = { readonly key: string; readonly line: string };

/** What is told of a configuration that is right. */
export type RightConfig = {
  readonly system: string;
  readonly chassis: number;
  readonly slot: number;
  readonly name: string;
  readonly stateDirectory: string;
  readonly keyFile: string;
  readonly interface: string;
  readonly device: string;
  readonly profile: string;
  readonly node: {
    readonly baud: number;
    readonly expected: readonly number[];
    readonly ether: { readonly periodMs: number };
    readonly serial: { readonly periodMs: number };
  };
  readonly http: { readonly address: string; readonly port: number } | false;
};

export type Configurations = {
  read(path: string): RightConfig | readonly Mistake[];
  readonly example: string;
  schema(): unknown;
};

export type Program = {
  /** Runs a card until it is told to leave; gives the exit code, one of `exitCodes`. */
  runCard(configFile: string, say: (line: string) => void): Promise<number>;
  keyFiles(): Promise<KeyFiles>;
  configurations(): Promise<Configurations>;
  openApiDocument(): Promise<unknown>;
};

export function isMistakes(config: RightConfig | readonly Mistake[]): config is readonly Mistake[] {
  return Array.isArray(config);
}

export function isRefusal(value: readonly KeyName[] | Refusal): value is Refusal {
  return "refused" in value;
}
