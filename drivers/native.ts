/** The drivers of the machine this runs on. */
import type { Drivers, ResourceDrivers, StorageDrivers } from "../src/io/ports.ts";
import { nativeBlock } from "./block/block.ts";
import { nativeChild } from "./child/child.ts";
import { nativeDevice } from "./device/device.ts";
import { nativeDoor } from "./door/door.ts";
import { nativeEther } from "./ether/ether.ts";
import { loadAddon } from "./load.ts";
import { nativeNet } from "./net/net.ts";
import { nativePty } from "./pty/pty.ts";
import { nativeRealtime } from "./realtime/realtime.ts";
import { nativeUart } from "./uart/uart.ts";
import { nativeWatchdog } from "./watchdog/watchdog.ts";

/** Loads the addon, once; throws an `Error` that says why it cannot. `stateDirectory` as for `loadAddon`. */
export function nativeDrivers(stateDirectory?: string): Drivers {
  const addon = loadAddon(stateDirectory);
  return {
    ether: nativeEther(addon),
    uart: nativeUart(addon),
    net: nativeNet(addon),
    watchdog: nativeWatchdog(addon),
    realtime: nativeRealtime(addon),
    pty: nativePty(addon),
  };
}

/** What resources are carried out with; otherwise as `nativeDrivers`. */
export function nativeResourceDrivers(stateDirectory?: string): ResourceDrivers {
  const addon = loadAddon(stateDirectory);
  return { net: nativeNet(addon), child: nativeChild(addon), device: nativeDevice(addon) };
}

/** What storage is served with; otherwise as `nativeDrivers`. */
export function nativeStorageDrivers(stateDirectory?: string): StorageDrivers {
  const addon = loadAddon(stateDirectory);
  return { block: nativeBlock(addon), door: nativeDoor(addon) };
}
