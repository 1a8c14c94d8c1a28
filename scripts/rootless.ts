/**
 * Runs a program of this repository as it is for root, and for anybody else as root of user, network and mount
 * namespaces of its own, with a private /run, where `ip netns` keeps its names.
 *
 *   node scripts/rootless.ts PROGRAM.ts [ARGUMENT ...]
 *
 * It replaces itself by the program, so that signals and the exit code are the program's own.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

function pathOf(command: string): string {
  for (const folder of (process.env.PATH ?? "/usr/bin:/bin").split(delimiter)) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next folder may have it.
    }
  }
  throw new Error(`${command} is not on the path`);
}

const program = [process.execPath, ...process.argv.slice(2)];
if (program.length < 2) {
  console.error("usage: node scripts/rootless.ts PROGRAM.ts [ARGUMENT ...]");
  process.exit(2);
}
if (process.getuid?.() === 0) {
  process.execve?.(process.execPath, program);
} else {
  const prepare = 'mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && exec "$@"';
  process.execve?.(pathOf("unshare"), ["unshare", "-Urnm", "--", "/bin/sh", "-c", prepare, "sh", ...program]);
}
