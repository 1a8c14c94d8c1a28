/** The ttys that have hardware behind them, as /sys/class/tty knows them. */
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PortInfo } from "../../src/io/ports.ts";

const ttyClass = "/sys/class/tty";
const byId = "/dev/serial/by-id";

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    return undefined;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch {
    return [];
  }
}

/** The device's directory in /sys, or nothing for ttys without one: consoles, pseudo terminals. */
async function deviceOf(name: string): Promise<string | undefined> {
  try {
    await readlink(join(ttyClass, name, "device", "driver"));
    return await realpath(join(ttyClass, name, "device"));
  } catch {
    return undefined;
  }
}

/** The directory at or above `device` that describes a USB device. */
async function usbDeviceOf(device: string): Promise<string | undefined> {
  for (let directory = device; directory.startsWith("/sys/devices/"); directory = dirname(directory)) {
    if (await textOf(join(directory, "idVendor")) !== undefined) return directory;
  }
  return undefined;
}

async function stableNames(): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const name of await namesIn(byId)) {
    try {
      names.set(await realpath(join(byId, name)), name);
    } catch {
      // A link whose device has just left.
    }
  }
  return names;
}

export async function listTtys(): Promise<PortInfo[]> {
  const stable = await stableNames();
  const ports: PortInfo[] = [];
  for (const name of await namesIn(ttyClass)) {
    const device = await deviceOf(name);
    // The 8250 driver names ports that may not exist; type 0 says that it found none.
    if (device === undefined || await textOf(join(ttyClass, name, "type")) === "0") continue;
    const path = join("/dev", name);
    const usb = await usbDeviceOf(device);
    const usbText = (file: string) => usb === undefined ? Promise.resolve(undefined) : textOf(join(usb, file));
    ports.push({
      path,
      manufacturer: await usbText("manufacturer"),
      serialNumber: await usbText("serial"),
      pnpId: stable.get(path),
      locationId: usb === undefined ? undefined : basename(usb),
      vendorId: await usbText("idVendor"),
      productId: await usbText("idProduct"),
    });
  }
  return ports;
}
