/**
 * The command line of the virtual chassis: `npm run chassis -- VERB ...`. `grammar.ts` says what it takes, `chassis.ts`
 * does it; a verb that keeps a chassis in the foreground runs the daemon in this very process.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { unreachable } from "../../src/base/assert.ts";
import { Chassis, down, notUp, settingsOf, up, type UpOptions } from "./chassis.ts";
import { Daemon } from "./daemon.ts";
import { show, takeScreen } from "./demo.ts";
import { type Line, oneOf, parseLine, share, sizeBytes, wholeNumber } from "./grammar.ts";
import { follow, lastLines } from "./logs.ts";
import { cardsMax, chassisMax } from "./names.ts";
import { cardLog, commandLine, eventLog, everyChassis, multiplexorLog } from "./place.ts";
import { exitCodeOf, Refused } from "./refusal.ts";
import { becomeRoot } from "./private-run.ts";
import { bounds, defaults, profiles, runtimes } from "./settings.ts";
import { parseReach } from "./shelf.ts";
import { duration, statusLines, table, verifiedText } from "./view.ts";

/** For the cards to verify each other once they answer; usually it is one second. */
const settleMs = 8_000;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

function textOf(line: Line, option: string): string | undefined {
  const value = line.options[option];
  return typeof value === "string" ? value : undefined;
}

function nameOf(line: Line): string {
  return textOf(line, "name") ?? defaults.name;
}

function chassisOf(line: Line): Chassis {
  return new Chassis(nameOf(line));
}

function upOptionsOf(line: Line): UpOptions {
  const number = (option: string, min: number, max: number, usual: number) => {
    const text = textOf(line, option);
    return text === undefined ? usual : wholeNumber(`--${option}`, text, min, max);
  };
  const layout = {
    name: nameOf(line),
    cards: number("cards", 1, cardsMax, defaults.cards),
    chassis: number("chassis", 1, chassisMax, defaults.chassis),
  };
  const disks = number("disks", bounds.disks.min, bounds.disks.max, defaults.disks);
  const [reachFile, runtime, size] = [textOf(line, "reach"), textOf(line, "runtime"), textOf(line, "disk-size")];
  return {
    ...layout,
    disks,
    baud: number("baud", bounds.baud.min, bounds.baud.max, defaults.baud),
    profile: oneOf("--profile", textOf(line, "profile") ?? defaults.profile, profiles),
    ...(runtime === undefined ? {} : { runtime: oneOf("--runtime", runtime, runtimes) }),
    bootMs: number("boot-ms", bounds.bootMs.min, bounds.bootMs.max, defaults.bootMs),
    diskBytes: size === undefined ? defaults.diskBytes : sizeBytes("--disk-size", size),
    reach: reachFile === undefined ? defaults.reach : parseReach(readText(reachFile), reachFile, layout, disks),
    timeoutMs: number("timeout", 1, 3_600, defaults.timeoutMs / 1_000) * 1_000,
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Refused("usage", `${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Aborted at the first signal that asks for the end. */
function onStopSignals(): AbortController {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
  return stop;
}

async function upVerb(line: Line): Promise<number> {
  becomeRoot();
  const options = upOptionsOf(line);
  if (line.options["detach"] === true) {
    const chassis = await up(options);
    if (chassis.leftBehind) tell(`removed what an earlier chassis ${chassis.name} had left behind`);
    await settle(chassis);
    await printStatus(chassis, line);
    return 0;
  }
  const stop = onStopSignals();
  const daemon = await openDaemon(options, stop.signal);
  stop.signal.addEventListener("abort", () => void daemon.close("signal"));
  const chassis = new Chassis(daemon.settings.name);
  try {
    await chassis.waitUntilAnswering(options.timeoutMs ?? defaults.timeoutMs);
    await settle(chassis);
    await printStatus(chassis, line);
    tell(`Ctrl-C takes it down; in another terminal: ${commandLine("status", chassis.name)}`);
  } catch (error) {
    await daemon.close("failure");
    if (!stop.signal.aborted) throw error;
  }
  await daemon.closed;
  return 0;
}

/** Gives the cards the time that they need to know each other, so that what is asked next is not asked too early. */
async function settle(chassis: Chassis): Promise<void> {
  if (!await chassis.waitUntilVerified(settleMs)) tell(`the cards have not all verified each other within ${settleMs} ms of their answer`);
}

async function openDaemon(options: UpOptions, stop: AbortSignal): Promise<Daemon> {
  const daemon = await Daemon.open(settingsOf(options), stop);
  if (daemon.leftBehind) tell(`removed what an earlier chassis ${daemon.settings.name} had left behind`);
  return daemon;
}

async function demoVerb(line: Line): Promise<number> {
  becomeRoot();
  const options = upOptionsOf(line);
  const forText = textOf(line, "for");
  const forMs = forText === undefined ? undefined : wholeNumber("--for", forText, 1, 1_000_000) * 1_000;
  const stop = onStopSignals();
  const daemon = await openDaemon(options, stop.signal);
  if (forMs !== undefined) setTimeout(() => stop.abort(), forMs).unref();
  const giveBack = takeScreen(process.stdout);
  let verifiedAfterMs: number | undefined;
  try {
    verifiedAfterMs = await show(daemon, process.stdout, stop.signal);
  } finally {
    giveBack();
    await daemon.close("signal");
  }
  // The picture is gone with its screen; what it said is worth keeping.
  const cards = daemon.settings.chassis * daemon.settings.cards;
  if (verifiedAfterMs === undefined) tell("the cards had not all verified each other by then");
  else if (process.stdout.isTTY) print(verifiedText(cards, verifiedAfterMs));
  print(`chassis ${daemon.settings.name} is taken down`);
  // Who ends it early by hand has seen enough; who gave it a time wanted it to work within that.
  return verifiedAfterMs !== undefined || forMs === undefined ? 0 : 1;
}

async function printStatus(chassis: Chassis, line: Line): Promise<void> {
  const status = await chassis.status();
  print(line.options["json"] === true ? JSON.stringify(status, undefined, 2) : statusLines(status).join("\n"));
}

async function downVerb(line: Line): Promise<number> {
  const names = line.options["all"] === true ? everyChassis().map(({ name }) => name) : [nameOf(line)];
  if (names.length === 0) tell("no chassis is up");
  for (const name of names) {
    const was = await down(name);
    if (was === "nothing") throw notUp(name);
    tell(was === "down" ? `chassis ${name} is taken down` : `the process of chassis ${name} was gone; what it had left is removed`);
  }
  return 0;
}

async function cutVerb(line: Line): Promise<void> {
  const chassis = chassisOf(line);
  const [whatText = "", slot] = line.words;
  const what = oneOf("what to cut", whatText, ["serial", "ether", "mux"]);
  const directions = (["tx", "rx"] as const).filter((direction) => line.options[direction] === true);
  const apart = line.options["apart"] === true;
  if (apart && (what !== "ether" || directions.length > 0)) throw new Refused("usage", "--apart is for cut ether, without --tx and --rx");
  const from = textOf(line, "from");
  if (from !== undefined && (what !== "ether" || apart || directions.length > 0)) {
    throw new Refused("usage", "--from is for cut ether, without --tx, --rx and --apart");
  }
  if (what === "mux") {
    if (directions.length > 0) throw new Refused("usage", "a multiplexor is switched off as a whole: leave --tx and --rx out");
    if (slot === undefined && chassis.settings.chassis > 1) throw new Refused("usage", "cut mux: say of which chassis, as in cut mux 2");
    return await chassis.cutMux(slot === undefined ? 1 : wholeNumber("the chassis", slot, 1, chassis.settings.chassis));
  }
  if (slot === undefined) throw new Refused("usage", `cut ${what}: SLOT is missing`);
  if (from !== undefined) await chassis.cutPath(slot, from);
  else if (what === "ether") await chassis.cutEther(slot, apart ? "apart" : directions.length === 0 ? "unplug" : directions);
  else await chassis.cutSerial(slot, directions.length === 0 ? ["tx", "rx"] : directions);
}

async function stallVerb(line: Line): Promise<void> {
  const [slot = "", msText = ""] = line.words;
  const ms = wholeNumber("MS", msText, 1, 3_600_000);
  await chassisOf(line).stall(slot, ms);
  if (line.options["wait"] === true) await sleep(ms);
}

async function corruptVerb(line: Line): Promise<void> {
  const [what = "", slot = "", rate = ""] = line.words;
  oneOf("what to corrupt", what, ["serial"]);
  await chassisOf(line).corruptSerial(slot, share("RATE", rate));
}

/** Runs a command in the foreground and gives its exit code; one that a signal ended counts as in a shell. */
function execVerb(line: Line): Promise<number> {
  const chassis = chassisOf(line);
  const where = line.verb === "host" ? "host" : chassis.place(line.words[0] ?? "");
  const { program, args, cwd, env } = chassis.execCommand(where, line.command, process.cwd());
  // The command is in our process group: the terminal's signals reach it by themselves, and it decides what they mean.
  for (const name of ["SIGINT", "SIGQUIT"] as const) process.on(name, () => {});
  const child = spawn(program, [...args], { stdio: "inherit", cwd, env: env as NodeJS.ProcessEnv });
  for (const name of ["SIGTERM", "SIGHUP"] as const) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Refused("machine", `cannot run ${program}: ${error.message}`)));
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

async function logVerb(line: Line): Promise<void> {
  const chassis = chassisOf(line);
  const [what = ""] = line.words;
  const mux = /^mux([1-8])?$/.exec(what);
  const path = what === "chassis"
    ? eventLog(chassis.directory)
    : mux !== null
    ? multiplexorLog(chassis.directory, Number(mux[1] ?? 1))
    : cardLog(chassis.directory, chassis.place(what));
  const lines = wholeNumber("--lines", textOf(line, "lines") ?? "50", 0, 1_000_000);
  if (!existsSync(path)) throw new Refused("usage", `there is no such log: ${what}`);
  for (const text of await lastLines(path, lines)) print(text);
  if (line.options["follow"] !== true) return;
  const stop = onStopSignals();
  await follow(path, (text) => process.stdout.write(text), stop.signal);
}

function listVerb(line: Line): void {
  const all = everyChassis().map(({ name, directory, record, alive }) => ({
    name,
    state: alive ? "up" : "left behind",
    cards: record === undefined ? 0 : record.settings.chassis * record.settings.cards,
    ...(record === undefined ? {} : { daemonPid: record.daemon.pid, startedAt: record.startedAt }),
    directory,
  }));
  if (line.options["json"] === true) return print(JSON.stringify(all, undefined, 2));
  if (all.length === 0) return tell("no chassis is up");
  const rows = all.map(({ name, state, cards, daemonPid, startedAt, directory }) => [
    name,
    state,
    String(cards),
    String(daemonPid ?? "-"),
    startedAt === undefined ? "-" : duration(Date.now() - Date.parse(startedAt)),
    directory,
  ]);
  print(table([["name", "state", "cards", "daemon", "since", "files"], ...rows]).join("\n"));
}

async function perform(line: Line): Promise<number> {
  const [slot = ""] = line.words;
  switch (line.verb) {
    case "up":
      return await upVerb(line);
    case "demo":
      return await demoVerb(line);
    case "down":
      return await downVerb(line);
    case "exec":
    case "host":
      return await execVerb(line);
    case "status":
      await printStatus(chassisOf(line), line);
      return 0;
    case "pull":
    case "crash":
    case "insert":
    case "reset":
    case "leave":
      await chassisOf(line)[line.verb](slot);
      return 0;
    case "cut":
      await cutVerb(line);
      return 0;
    case "heal":
      await chassisOf(line).heal(line.words[0]);
      return 0;
    case "stall":
      await stallVerb(line);
      return 0;
    case "corrupt":
      await corruptVerb(line);
      return 0;
    case "log":
      await logVerb(line);
      return 0;
    case "list":
      listVerb(line);
      return 0;
    default:
      return unreachable(line.verb);
  }
}

try {
  const line = parseLine(process.argv.slice(2));
  if ("help" in line) {
    print(line.help.trimEnd());
    process.exitCode = 0;
  } else {
    process.exitCode = await perform(line);
  }
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  tell(`chassis: ${error.message}`);
  process.exitCode = exitCodeOf(error.code);
}
// Everything is taken down or in other processes by now.
process.exit();
