/** Drivers that remember what they opened, so that a test leaves nothing open, also when it fails. */
import type { Drivers } from "../../src/io/ports.ts";

export function closing(drivers: Drivers): { readonly drivers: Drivers; closeAll(): Promise<void> } {
  const opened: { close(): Promise<void> }[] = [];
  async function kept<Port extends { close(): Promise<void> }>(opening: Promise<Port>): Promise<Port> {
    const port = await opening;
    opened.push(port);
    return port;
  }
  const { ether, uart, net, pty } = drivers;
  return {
    drivers: {
      ...drivers,
      ether: { open: (options, onEvent) => kept(ether.open(options, onEvent)) },
      uart: { list: () => uart.list(), open: (options) => kept(uart.open(options)) },
      net: { open: (onEvent) => kept(net.open(onEvent)) },
      pty: { open: (onBytes) => kept(pty.open(onBytes)) },
    },
    async closeAll() {
      for (const port of opened.splice(0)) await port.close();
    },
  };
}
