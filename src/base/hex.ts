/** Lower-case hexadecimal of bytes, two digits each. */
export function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}
