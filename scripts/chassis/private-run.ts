/**
 * Named network namespaces live in /run/netns, which belongs to root. In a user namespace of one's own, with a
 * mount namespace (`unshare -Urnm`), /run is covered by one that can be written to and shows everything that the
 * old one shows.
 */
import { accessSync, constants, existsSync } from "node:fs";
import { run } from "./command.ts";
import { outerUser } from "./place.ts";
import { repository } from "./repository.ts";
import { Refused } from "./refusal.ts";

const cover = `
set -e
new=$(mktemp -d)
trap 'umount -n -l "$new" 2>/dev/null || :; rmdir "$new"' EXIT
mount -n -t tmpfs -o mode=0755 tmpfs "$new"
for old in /run/* /run/.[!.]*; do
  name=\${old##*/}
  if [ "$name" = netns ]; then continue
  elif [ -L "$old" ]; then cp -P "$old" "$new/$name"
  elif [ -d "$old" ]; then mkdir "$new/$name"; mount -n --rbind "$old" "$new/$name"
  elif [ -e "$old" ]; then : > "$new/$name"; mount -n --bind "$old" "$new/$name"
  fi
done
mkdir "$new/netns"
mount -n --move "$new" /run
`;

/** Begins this program anew as root of a user namespace, unless it is root already, where the kernel allows it: network namespaces are root's. */
export function becomeRoot(): void {
  if (process.getuid?.() === 0) return;
  process.execve?.(process.execPath, [process.execPath, `${repository}/scripts/rootless.ts`, ...process.argv.slice(1)]);
}

/** Whether this process may make network namespaces with names; where it can be made so, it is. Refused otherwise, saying what is missing. */
export async function ensureNamespaces(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Refused(
      "machine",
      "network namespaces need root: run it as root, or as `unshare -Urnm --map-root-user npm run chassis -- ...` where the kernel allows user namespaces",
    );
  }
  if (canWrite(existsSync("/run/netns") ? "/run/netns" : "/run")) return;
  const covered = await run("bash", ["-c", cover]);
  if (covered.code === 0) return;
  const why = covered.stderr.trim().split("\n")[0] ?? "";
  const inside = outerUser() === 0 ? "" : "; enter the user namespace together with a mount namespace: unshare -Urnm --map-root-user";
  throw new Refused("machine", `/run/netns cannot be written to and not be covered (${why})${inside}`);
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
