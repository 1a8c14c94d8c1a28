/** The table of all commands, in the order in which help lists them. */
import type { Command } from "./command.ts";
import { completionCommand, helpCommand, openapiCommand, versionCommand } from "./commands/about.ts";
import { bootCommands } from "./commands/boot.ts";
import { cardCommands } from "./commands/card.ts";
import { configCommands } from "./commands/config.ts";
import { configChangeCommands } from "./commands/config-change.ts";
import { failoverCommands } from "./commands/failover.ts";
import { failoversCommand } from "./commands/failovers.ts";
import { groupCommands } from "./commands/group.ts";
import { groupsCommand } from "./commands/groups.ts";
import { keyCommands } from "./commands/key.ts";
import { membersCommand } from "./commands/members.ts";
import { namesCommand } from "./commands/names.ts";
import { readyCommand } from "./commands/ready.ts";
import { runCommand } from "./commands/run.ts";
import { setCommands } from "./commands/set.ts";
import { statusCommand } from "./commands/status.ts";
import { tokenCommands } from "./commands/token.ts";
import type { Program } from "./program.ts";

/** `program` gives what belongs to the composition root: drivers, files and the HTTP interface. */
export function consoleCommands(program: Program): readonly Command[] {
  return [
    runCommand(program),
    statusCommand,
    membersCommand,
    groupsCommand,
    ...groupCommands,
    ...setCommands,
    readyCommand,
    failoversCommand,
    ...failoverCommands,
    ...bootCommands,
    ...configCommands,
    ...configChangeCommands,
    ...tokenCommands,
    ...cardCommands(program),
    ...keyCommands(program),
    openapiCommand(program),
    completionCommand,
    namesCommand,
    versionCommand,
    helpCommand,
  ];
}
