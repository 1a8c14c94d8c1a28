/** What Linux says of a network interface in `/proc/net`, which is that of the program's own network namespace. Each takes the text of its file. */

export type InterfaceCounters = { readonly received: number; readonly sent: number; readonly sendErrors: number };

/** From `/proc/net/dev`; `undefined` when there is no such interface. */
export function interfaceCounters(text: string, name: string): InterfaceCounters | undefined {
  for (const line of text.split("\n")) {
    const [head, rest] = line.split(":");
    if (head?.trim() !== name || rest === undefined) continue;
    const fields = rest.trim().split(/\s+/).map(Number);
    const at = (index: number) => fields[index] ?? 0;
    // Received bytes, packets, errs, drop, fifo, frame, compressed, multicast; sent bytes, packets, errs, drop, fifo, colls, carrier, compressed.
    return { received: at(1), sent: at(9), sendErrors: at(10) + at(12) + at(14) };
  }
  return undefined;
}

/** The gateway of the default route over an interface, from `/proc/net/route`: dotted, or `undefined` when there is none. */
export function defaultGateway(text: string, name: string): string | undefined {
  for (const line of text.split("\n")) {
    const [head, destination, gateway] = line.split(/\s+/);
    if (head !== name || destination !== "00000000" || gateway === undefined || !/^[0-9A-F]{8}$/.test(gateway) || gateway === "00000000") {
      continue;
    }
    // Four bytes, as the machine has them in memory.
    return (gateway.match(/../g) as string[]).reverse().map((byte) => Number.parseInt(byte, 16)).join(".");
  }
  return undefined;
}

/** Whether a neighbor's hardware address is known, from `/proc/net/arp`. */
export function isNeighborKnown(text: string, address: string, name: string): boolean {
  return text.split("\n").some((line) => {
    const [ip, , flags, , , device] = line.split(/\s+/);
    return ip === address && device === name && (Number(flags) & 2) !== 0;
  });
}
