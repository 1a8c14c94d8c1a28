/** Addresses of the Internet Protocol as text: read strictly, written in the one form of RFC 5952. */

/** 4 bytes for IPv4, 16 for IPv6. */
export type IpAddress = readonly number[];

/** The address that `text` is, or undefined. An IPv4 part with leading zeroes is none: some read it as octal. */
export function parseIpAddress(text: string): IpAddress | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): IpAddress | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.map(Number);
}

function parseV6(text: string): IpAddress | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const bytesOf = (half: string, isLast: boolean): number[] | undefined => {
    if (half === "") return [];
    const bytes: number[] = [];
    const words = half.split(":");
    for (const [index, word] of words.entries()) {
      if (isLast && index === words.length - 1 && word.includes(".")) {
        const tail = parseV4(word);
        if (tail === undefined) return undefined;
        bytes.push(...tail);
      } else if (/^[0-9a-fA-F]{1,4}$/.test(word)) {
        const number = Number.parseInt(word, 16);
        bytes.push(number >> 8, number & 0xff);
      } else return undefined;
    }
    return bytes;
  };
  const front = bytesOf(halves[0] ?? "", halves.length === 1);
  const back = halves.length === 2 ? bytesOf(halves[1] ?? "", true) : [];
  if (front === undefined || back === undefined) return undefined;
  const gap = 16 - front.length - back.length;
  if (halves.length === 1 ? gap !== 0 : gap < 2) return undefined;
  return [...front, ...new Array<number>(gap).fill(0), ...back];
}

/** The address in its canonical form (RFC 5952, section 4; IPv4-mapped addresses with the dotted tail of section 5). */
export function ipAddressText(address: IpAddress): string {
  if (address.length === 4) return address.join(".");
  if (address.slice(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff) {
    return `::ffff:${address.slice(12).join(".")}`;
  }
  const words = Array.from({ length: 8 }, (_, index) => ((address[2 * index] ?? 0) << 8) | (address[2 * index + 1] ?? 0));
  let [gapAt, gapLength] = [-1, 1];
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length++;
    if (length > gapLength) [gapAt, gapLength] = [at, length];
  }
  const text = (from: readonly number[]) => from.map((word) => word.toString(16)).join(":");
  return gapAt < 0 ? text(words) : `${text(words.slice(0, gapAt))}::${text(words.slice(gapAt + gapLength))}`;
}

/** Whether one machine can have it: not unspecified, not multicast, not the broadcast of all. */
export function isHostAddress(address: IpAddress): boolean {
  if (address.every((byte) => byte === 0)) return false;
  const first = address[0] ?? 0;
  return address.length === 4 ? first !== 0 && first < 224 : first !== 0xff;
}

/** A network, or a single address, in canonical form; undefined for text that is neither, or has bits beyond the prefix. */
export function networkOf(text: string): string | undefined {
  const [address, length, ...more] = text.split("/");
  const bytes = parseIpAddress(address ?? "");
  if (bytes === undefined || more.length > 0) return undefined;
  if (length === undefined) return ipAddressText(bytes);
  const prefix = Number(length);
  if (!/^(?:0|[1-9][0-9]*)$/.test(length) || prefix > bytes.length * 8) return undefined;
  const beyond = bytes.some((byte, index) => (byte & (0xff >> Math.min(8, Math.max(0, prefix - index * 8)))) !== 0);
  return beyond ? undefined : `${ipAddressText(bytes)}/${prefix}`;
}
