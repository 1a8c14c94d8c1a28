/**
 * An operator, or the machine's set-up, asked for something that cannot be: said as a value, in one line that names
 * the thing and the way out.
 */
export type Refusal = { readonly refused: RefusalCode; readonly message: string };

export type RefusalCode =
  /** The file or directory is not there. */
  | "missing"
  /** It is there and must not be replaced. */
  | "exists"
  /** Others than its owner may read or change it. */
  | "unsafe"
  /** It is there and does not hold what it must. */
  | "corrupt"
  /** The operating system said no: permission, space, a failing disk. */
  | "io"
  /** The step is not the next one. */
  | "order"
  /** The numbers are used up. */
  | "exhausted";

export function refusal(refused: RefusalCode, message: string): Refusal {
  return { refused, message };
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "refused" in value;
}

/** What the operating system said, in words: "permission denied" rather than "EACCES: permission denied, open '/x'". */
export function systemErrorText(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return (code === undefined ? undefined : texts[code]) ?? message ?? String(error);
}

/** The operating system's name of an error, as "ENOENT". */
export function systemErrorCode(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

const texts: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "there is no such file or directory",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "it is a directory",
  EROFS: "the filesystem is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EIO: "the disk failed (input/output error)",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many open files",
};
