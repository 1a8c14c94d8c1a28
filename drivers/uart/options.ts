/** What a tty is opened with, and the errors that a binding for `@serialport/stream` speaks in. */
import type { OpenOptions } from "../../src/io/ports.ts";

const baudMax = 4_000_000;
const parities = ["none", "even", "odd", "mark", "space"];

function refuse(name: string, value: unknown, right: string): never {
  throw new TypeError(`uart: ${name} is ${JSON.stringify(value)}; it must be ${right}`);
}

export function checkedBaudRate(baudRate: unknown): number {
  if (typeof baudRate === "number" && Number.isInteger(baudRate) && baudRate >= 1 && baudRate <= baudMax) return baudRate;
  return refuse("baudRate", baudRate, `a whole number from 1 to ${baudMax}`);
}

/** The options with their defaults; throws a `TypeError` that names the key, the value and what would be right. */
export function checkedOptions(options: OpenOptions): Required<OpenOptions> {
  const { path, dataBits = 8, stopBits = 1, parity = "none" } = options;
  if (typeof path !== "string" || path === "") refuse("path", path, "the path of a tty");
  if (![5, 6, 7, 8].includes(dataBits)) refuse("dataBits", dataBits, "5, 6, 7 or 8");
  if (![1, 1.5, 2].includes(stopBits)) refuse("stopBits", stopBits, "1, 1.5 or 2");
  // A UART has one bit for both: with five data bits it means one and a half stop bits, else two.
  if (stopBits === 1.5 && dataBits !== 5) refuse("stopBits", stopBits, "1 or 2 unless dataBits is 5");
  if (!parities.includes(parity)) refuse("parity", parity, parities.join(", "));
  return {
    path,
    baudRate: checkedBaudRate(options.baudRate),
    dataBits,
    stopBits,
    parity,
    lock: options.lock ?? true,
    rtscts: options.rtscts ?? false,
    xon: options.xon ?? false,
    xoff: options.xoff ?? false,
    xany: options.xany ?? false,
    hupcl: options.hupcl ?? true,
  };
}

/** The tty is gone: `@serialport/stream` closes itself and says so. */
export function disconnectedError(path: string, reason: string): Error {
  return Object.assign(new Error(`uart: "${path}" is disconnected (${reason})`), { disconnect: true });
}

/** The port was closed under a pending read or write. */
export function canceledError(path: string): Error {
  return Object.assign(new Error(`uart: "${path}" was closed`), { canceled: true });
}

/** The port had been closed before the call. */
export function closedError(path: string): Error {
  return new Error(`uart: "${path}" is not open`);
}
