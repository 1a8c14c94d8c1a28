/** How a command ended, for scripts. 78 is EX_CONFIG of sysexits. */
export const exitCodes = { fine: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, configuration: 78, interrupted: 130 } as const;

export type Ending = keyof typeof exitCodes;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeTexts: Readonly<Record<Ending, string>> = {
  fine: "it worked",
  failed: "it failed",
  usage: "the command line is wrong",
  unreachable: "the card does not answer",
  refused: "it is not allowed in this situation",
  configuration: "the card's configuration is wrong",
  interrupted: "ended by Ctrl-C",
};
