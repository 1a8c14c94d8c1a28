/** A token as text: `cardinal.NAME.SECRET`. It carries its name, so that one row is looked up, and 32 random bytes in base64url. */
const pattern = /^cardinal\.([a-z][a-z0-9-]{0,31})\.[A-Za-z0-9_-]{43}$/;

/** The name that the token of a card's own root has. No row is called so for it. */
export const adminTokenName = "admin";

/** `secret` has `tokenSecretBytes` bytes. */
export function tokenText(name: string, secret: Uint8Array): string {
  return `cardinal.${name}.${btoa(String.fromCharCode(...secret)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

/** The name of a token; undefined for a text that is none. */
export function tokenName(text: string): string | undefined {
  return pattern.exec(text)?.[1];
}
