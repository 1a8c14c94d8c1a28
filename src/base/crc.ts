const table = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  table[byte] = crc >>> 0;
}

/** CRC-32 as in IEEE 802.3 (reflected, polynomial 0x04C11DB7, start and final XOR all ones); of "123456789" it is 0xCBF43926. */
export function crc32(bytes: Uint8Array, end: number = bytes.length): number {
  let crc = 0xffffffff;
  for (let index = 0; index < end; index++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[index] as number)) & 0xff] as number);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
