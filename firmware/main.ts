import process from "node:process";
import { generateKeyFile } from "../src/io/key-file.ts";
import { runCard } from "./run.ts";

const argv = process.argv.slice(2);
if (argv[0] === "run") process.exitCode = await runCard(argv[2] as string, (line) => console.error(line));
else if (argv[0] === "key") console.log(generateKeyFile(argv[2] as string, { force: false }));
