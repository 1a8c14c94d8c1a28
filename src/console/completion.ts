/**
 * Completion scripts for shells, from the table of commands. The scripts are static: pressing Tab starts no program, but for what
 * only the card knows: places in the configuration, names of sets, services and cards; a card that does not answer offers nothing. Each script walks
 * the words before the cursor to the command that they name, counting the operands behind it, then offers what may follow.
 */
import { unreachable } from "../base/assert.ts";
import { askedNames, type Command, fileValueName, type Option, placesCommand } from "./command.ts";
import { generalOptions, wordsAfter } from "./help.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      return zshScript(commands);
    case "fish":
      return fishScript(commands);
    default:
      return unreachable(shell);
  }
}

/** A place in the grammar: the words so far, and what may follow them. */
type Place = { readonly words: readonly string[]; readonly next: readonly string[]; readonly command: Command | undefined };

function placesOf(commands: readonly Command[]): Place[] {
  const places = new Map<string, Place>();
  for (const { words } of commands) {
    for (let length = 0; length <= words.length; length++) {
      const before = words.slice(0, length);
      const command = commands.find((command) => command.words.join(" ") === before.join(" "));
      places.set(before.join(" "), { words: before, next: wordsAfter(commands, before), command });
    }
  }
  return [...places.values()];
}

/** The words that may come at a place: those of commands, an operand's choices, and for `help` every first word. */
function choicesAt({ next, command }: Place, commands: readonly Command[]): string[] {
  const operand = command?.operands[0];
  return [...next, ...(operand?.choices ?? []), ...(operand?.many === true ? wordsAfter(commands, []) : [])];
}

function optionsOf(command: Command | undefined): [string, Option][] {
  const general = Object.entries(generalOptions).filter(([name]) =>
    command === undefined || name === "help" || (name === "json" && command.json)
  );
  return [...Object.entries(command?.options ?? {}), ...general];
}

function takesFile(command: Command | undefined): boolean {
  return command?.operands.some(({ name }) => name === fileValueName) ?? false;
}

/** What to ask the card for the first operand; empty when it does not know. */
function askFor(command: Command | undefined): string {
  return asking(command?.operands[0]?.name);
}

function asking(name: string | undefined): string {
  return name !== undefined && Object.hasOwn(askedNames, name) ? (askedNames[name] ?? []).join(" ") : "";
}

/** The ways to write options that take a value, each with the value's names. */
function valueNames(commands: readonly Command[]): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const [name, { kind, short, value = "" }] of commands.flatMap((command) => Object.entries(command.options))) {
    if (kind !== "text") continue;
    for (const way of [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]) {
      names.set(way, (names.get(way) ?? new Set()).add(value));
    }
  }
  return names;
}

/** "--config|-c": the ways to write the options that take a value, of a file or of something else. */
function valueOptions(commands: readonly Command[], ofFile: boolean): string[] {
  return [...valueNames(commands)].filter(([, values]) => [...values].some((value) => (value === fileValueName) === ofFile)).map(([way]) =>
    way
  );
}

/** What to ask the card for, with the ways to write the options whose value that is in all commands that have them. */
function askedOptions(commands: readonly Command[]): [ask: string, ways: string][] {
  const ways = new Map<string, string[]>();
  for (const [way, values] of valueNames(commands)) {
    const [value] = values;
    const ask = values.size === 1 ? asking(value) : "";
    if (ask !== "") ways.set(ask, [...ways.get(ask) ?? [], way]);
  }
  return [...ways].map(([ask, each]) => [ask, each.join("|")]);
}

/**
 * What bash and zsh have in common: from the words of the line, `place` and how many operands come after it, and what may follow at that place. (Bash takes
 * a colon and an equals sign for words: --url=http://192.0.2.1 is five of them, and no operand.)
 */
function walk(
  commands: readonly Command[],
  words: { readonly first: string; readonly end: string; readonly at: string },
  cases: readonly string[],
): string {
  const known = placesOf(commands).filter(({ words }) => words.length > 0).map(({ words }) => JSON.stringify(words.join(" "))).join("|");
  const withValue = [...valueOptions(commands, true), ...valueOptions(commands, false)].join("|") || '""';
  return `  for (( index = ${words.first}; index < ${words.end}; index++ )); do
    word="${words.at}"
    next="\${place:+$place }$word"
    case "$next" in
      ${known}) place="$next"; operands=0; before=""; continue ;;
    esac
    case "$before" in
      ${withValue}|*[:=]) ;;
      *) [[ "$word" == [-:=]* ]] || operands=$(( operands + 1 )) ;;
    esac
    before="$word"
  done
  case "$place" in
${cases.join("\n")}
  esac`;
}

function bashScript(commands: readonly Command[]): string {
  const places = placesOf(commands);
  const cases = places.map((place) =>
    `    ${JSON.stringify(place.words.join(" "))}) words=${JSON.stringify(choicesAt(place, commands).join(" "))} options=${
      JSON.stringify(optionsOf(place.command).map(([name]) => `--${name}`).join(" "))
    } files=${takesFile(place.command) ? "yes" : ""} ask=${JSON.stringify(askFor(place.command))} ;;`
  );
  return `# Completion of cardinal for bash: eval "$(cardinal completion bash)"
_cardinal() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" place="" next="" word="" before="" words="" options="" files="" ask="" operands=0 index
  (( COMP_CWORD > 0 )) && previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  case "$previous" in
    ${
    [...valueOptions(commands, true)].join("|") || '""'
  }) mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames 2>/dev/null; return ;;
${
    askedOptions(commands).map(([ask, ways]) =>
      `    ${ways}) mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" ${ask} "$current" 2>/dev/null); return ;;\n`
    ).join("")
  }    ${[...valueOptions(commands, false)].join("|") || '""'}) return ;;
  esac
${walk(commands, { first: "1", end: "COMP_CWORD", at: "\${COMP_WORDS[index]}" }, cases)}
  if [[ "$current" == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n "$ask" ]]; then
    (( operands > 0 )) || mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" $ask "$current" 2>/dev/null)
    [[ "$ask" != "${placesCommand.join(" ")}" ]] || compopt -o nospace 2>/dev/null
  elif [[ -n "$files" ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames 2>/dev/null
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _cardinal cardinal
`;
}

/** A text in single quotes, as all three shells take it; none of ours has a backslash. */
function quoted(text: string, quote: "'\\''" | "\\'"): string {
  return `'${text.replaceAll("'", quote)}'`;
}

function zshScript(commands: readonly Command[]): string {
  const summaryOf = (words: readonly string[]): string => {
    const command = commands.find((command) => command.words.join(" ") === words.join(" "));
    return command?.summary ?? `${wordsAfter(commands, words).join(", ")}`;
  };
  const described = (text: string, summary: string) => quoted(`${text.replaceAll(":", "\\:")}:${summary}`, "'\\''");
  const places = placesOf(commands);
  const cases = places.map((place) => {
    const words = choicesAt(place, commands).map((word) =>
      described(word, place.next.includes(word) ? summaryOf([...place.words, word]) : word)
    );
    const options = optionsOf(place.command).map(([name, { summary }]) => described(`--${name}`, summary));
    return `    ${JSON.stringify(place.words.join(" "))}) choices=(${words.join(" ")}) options=(${options.join(" ")}) files=${
      takesFile(place.command) ? "yes" : "''"
    } ask=${quoted(askFor(place.command), "'\\''")} ;;`;
  });
  return `#compdef cardinal
# Completion of cardinal for zsh: source <(cardinal completion zsh)
_cardinal() {
  local place='' next='' word='' before='' files='' ask='' operands=0 index
  local -a choices options
  case "$words[CURRENT-1]" in
    ${valueOptions(commands, true).join("|") || "''"}) _files; return ;;
${
    askedOptions(commands).map(([ask, ways]) =>
      `    ${ways}) compadd -- \${(f)"$("$words[1]" ${ask} "$words[CURRENT]" 2>/dev/null)"}; return ;;\n`
    )
      .join("")
  }    ${valueOptions(commands, false).join("|") || "''"}) _message 'value'; return ;;
  esac
${walk(commands, { first: "2", end: "CURRENT", at: "$words[index]" }, cases)}
  if [[ "$words[CURRENT]" == -* ]]; then
    _describe 'option' options
  elif [[ "$ask" == "${placesCommand.join(" ")}" ]]; then
    (( operands > 0 )) || compadd -S '' -- \${(f)"$("$words[1]" \${=ask} "$words[CURRENT]" 2>/dev/null)"}
  elif [[ -n "$ask" ]]; then
    (( operands > 0 )) || compadd -- \${(f)"$("$words[1]" \${=ask} "$words[CURRENT]" 2>/dev/null)"}
  elif [[ -n "$files" ]]; then
    _files
  else
    _describe 'command' choices
  fi
}
compdef _cardinal cardinal
`;
}

function fishScript(commands: readonly Command[]): string {
  const text = (value: string) => quoted(value, "\\'");
  const asked = (ask: string) => `(cardinal ${ask} (commandline -ct) 2>/dev/null)`;
  const known = placesOf(commands).filter(({ words }) => words.length > 0).map(({ words }) => text(words.join(" "))).join(" ");
  const withValue = [...valueOptions(commands, true), ...valueOptions(commands, false)].join(" ");
  const lines = [
    "# Completion of cardinal for fish: cardinal completion fish > ~/.config/fish/completions/cardinal.fish",
    "function __cardinal_at",
    "  set -l place ''",
    "  set -l before ''",
    "  set -g __cardinal_operands 0",
    "  for word in (commandline -opc)[2..-1]",
    '    set -l next (string trim -- "$place $word")',
    `    if contains -- "$next" ${known}`,
    '      set place "$next"',
    "      set __cardinal_operands 0",
    `    else if not string match -q -- '-*' "$word"; and not contains -- "$before" ${withValue}`,
    "      set __cardinal_operands (math $__cardinal_operands + 1)",
    "    end",
    '    set before "$word"',
    "  end",
    '  test "$place" = "$argv"',
    "end",
    "complete -c cardinal -f",
  ];
  for (const place of placesOf(commands)) {
    const at = `complete -c cardinal -n ${text(["__cardinal_at", ...place.words].join(" "))}`;
    for (const word of choicesAt(place, commands)) {
      const summary = commands.find((command) => command.words.join(" ") === [...place.words, word].join(" "))?.summary;
      lines.push(`${at} -a ${text(word)}${summary === undefined ? "" : ` -d ${text(summary)}`}`);
    }
    for (const [name, { kind, short, value, summary }] of optionsOf(place.command)) {
      const ask = asking(value);
      const argument = kind === "flag" ? "" : value === fileValueName ? " -r -F" : ask === "" ? " -x" : ` -x -a ${text(asked(ask))}`;
      lines.push(`${at} -l ${name}${short === undefined ? "" : ` -s ${short}`}${argument} -d ${text(summary)}`);
    }
    if (takesFile(place.command)) lines.push(`${at} -F`);
    if (askFor(place.command) !== "") {
      const atFirst = text([...["__cardinal_at", ...place.words], "; and test $__cardinal_operands -eq 0"].join(" "));
      lines.push(`complete -c cardinal -n ${atFirst} -a ${text(asked(askFor(place.command)))}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
