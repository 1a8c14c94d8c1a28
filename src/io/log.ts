/**
 * The card's log: one line of JSON for each event, so that a person can read it, `grep` can find it and a collector
 * can parse it. A flood of one event is cut at `logPerSecondMax` a second and summed up in one line, and so are the lines
 * that their reader was too slow for.
 */
import type { LogFields, LogLevel } from "../node/effect.ts";
import { logPerSecondMax } from "../limits.ts";
import type { LineOutput } from "./log-output.ts";

export type Log = (level: LogLevel, event: string, fields: LogFields) => void;

export const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export type Logger = {
  readonly log: Log;
  /** Events below it are not written. */
  setLevel(level: LogLevel): void;
};

/** A logger that hands finished lines to `write`. `wallClock` gives milliseconds since 1970, for people. */
export function createLogger(options: {
  readonly card: number;
  readonly level: LogLevel;
  readonly write: LineOutput;
  readonly wallClock: () => number;
}): Logger {
  let least = logLevels.indexOf(options.level);
  let second = 0;
  const counts = new Map<string, number>();

  let lost = 0;

  const write = (at: number, level: LogLevel, event: string, fields: LogFields) =>
    options.write(`${JSON.stringify({ time: new Date(at).toISOString(), level, card: options.card, event, ...fields })}\n`);

  const line = (at: number, level: LogLevel, event: string, fields: LogFields) => {
    if (lost > 0 && write(at, "warn", "log lost", { lines: lost })) lost = 0;
    if (lost > 0 || !write(at, level, event, fields)) lost++;
  };

  const startSecond = (at: number) => {
    second = Math.floor(at / 1_000);
    for (const [event, count] of counts) {
      if (count > logPerSecondMax) line(at, "warn", "log cut", { of: event, lines: count - logPerSecondMax });
    }
    counts.clear();
  };

  return {
    setLevel(level) {
      least = logLevels.indexOf(level);
    },
    log(level, event, fields) {
      if (logLevels.indexOf(level) < least) return;
      const at = options.wallClock();
      if (Math.floor(at / 1_000) !== second) startSecond(at);
      const count = (counts.get(event) ?? 0) + 1;
      counts.set(event, count);
      if (count <= logPerSecondMax) line(at, level, event, fields);
    },
  };
}
