/**
 * The card program: its commands are in `src/console`, this gives them what they ask for. Whatever is heavy is loaded
 * by the command that needs it.
 */
import process from "node:process";
import { consoleCommands } from "../src/console/commands.ts";
import { runConsole } from "../src/console/console.ts";
import type { Program } from "../src/console/program.ts";
import { softwareVersion } from "../src/version.ts";

const program: Program = {
  runCard: async (configFile, say) => (await import("./run.ts")).runCard(configFile, say),
  keyFiles: async () => {
    const { generateKeyFile, promoteKey, readKeyFile, retireKey, stageKey } = await import("../src/io/key-file.ts");
    return { generate: generateKeyFile, read: readKeyFile, stage: stageKey, promote: promoteKey, retire: retireKey };
  },
  configurations: async () => {
    const { configExample, configSchema, readCardConfig } = await import("../src/io/config.ts");
    return { read: readCardConfig, example: configExample, schema: configSchema };
  },
  openApiDocument: async () => (await import("../src/api/app.ts")).openApiDocument(softwareVersion),
};

process.exitCode = await runConsole(process.argv.slice(2), consoleCommands(program), { version: softwareVersion });
