/** The rules of every table of the configuration. `schema.ts` and the migrations have the same tables and columns, which a test proves. */
import { ipAddressText, isHostAddress, networkOf, parseIpAddress } from "../base/ip-address.ts";
import {
  addressesMax,
  auditCommentBytesMax,
  auditRowsMax,
  auditTextBytesMax,
  configRowsMax,
  configTextBytesMax,
  nameBytesMax,
  setDepthMax,
} from "../limits.ts";
import { settings } from "./settings.ts";
import type { ColumnRule, TableName, TableRule, TextRule } from "./rules.ts";

type Options = Partial<Pick<ColumnRule, "since" | "required" | "default" | "only" | "fixed" | "secret">>;

const common = (about: string, options: Options) => ({ about, since: 1, required: false, ...options });
const text = (about: string, rule: TextRule, options: Options = {}): ColumnRule => ({
  kind: "text",
  text: rule,
  ...common(about, options),
});
const whole = (about: string, min: number, max: number, options: Options & { unit?: string } = {}): ColumnRule => {
  return { kind: "whole", min, max, ...common(about, options) };
};
const flag = (about: string, fallback: boolean, options: Options = {}): ColumnRule => {
  return { kind: "flag", ...common(about, { default: fallback ? 1 : 0, ...options }) };
};
const choice = (about: string, choices: readonly string[], options: Options = {}): ColumnRule => {
  return { kind: "choice", choices, ...common(about, options) };
};
const reference = (
  about: string,
  to: TableName,
  options: Options & { where?: { readonly column: string; readonly values: readonly string[] } } = {},
): ColumnRule => ({ kind: "reference", to, ...common(about, options) });

const required = { required: true } as const;
const fixed = { required: true, fixed: true } as const;

export const nameText: TextRule = {
  pattern: /^[a-z][a-z0-9-]{0,31}$/,
  right: "a name of at most 32 small letters, digits and hyphens that begins with a letter, such as data-1",
  bytesMax: 32,
};
export const cardText: TextRule = { pattern: /^[1-8]\/[1-8]$/, right: "a chassis and a slot, such as 1/2", bytesMax: 3 };
const nameOrCard: TextRule = {
  pattern: /^(?:[1-8]\/[1-8]|[a-z][a-z0-9-]{0,31})$/,
  right: "a card, such as 1/2, or a name of at most 32 small letters, digits and hyphens that begins with a letter",
  bytesMax: 32,
};
const line = (bytesMax: number): TextRule => ({
  // deno-lint-ignore no-control-regex -- control characters are what it keeps out
  pattern: /^[^\u0000-\u001f\u007f-\u009f]+$/,
  right: `a line of text of 1 to ${bytesMax} bytes`,
  bytesMax,
});
/** One form only of each path, so that a path that is taken is seen to be taken. */
const path: TextRule = {
  // deno-lint-ignore no-control-regex -- control characters are what it keeps out
  pattern: /^(?:\/(?!\.{1,2}(?:\/|$))[^/\u0000-\u001f\u007f-\u009f]+)+$/,
  right: "an absolute path of at most 255 bytes without // or . or .. in it, such as /dev/disk/by-id/wwn-0x5000c500a1b2c3d4",
  bytesMax: 255,
};
const addressText: TextRule = {
  pattern: /^[0-9A-Fa-f:.]{2,45}$/,
  right: "an IPv4 or IPv6 address of one machine, such as 192.0.2.10",
  bytesMax: 45,
  canonical: (text) => {
    const address = parseIpAddress(text);
    return address === undefined || !isHostAddress(address) ? undefined : ipAddressText(address);
  },
};
const networkText: TextRule = {
  pattern: /^[0-9A-Fa-f:.]{2,45}(?:\/[0-9]{1,3})?$/,
  right: "an address, or a network as 192.0.2.0/24 with zeroes after its prefix",
  bytesMax: 49,
  canonical: networkOf,
};
const interfaceText: TextRule = {
  pattern: /^(?!\.{1,2}$)[^\s\/:]{1,15}$/,
  right: "the name of a network interface, such as eth0 (at most 15 bytes)",
  bytesMax: 15,
};
const cardOf = (end: string): string | null => cardText.pattern.test(end) ? end : null;
const variable: TextRule = {
  pattern: /^[A-Za-z_][A-Za-z0-9_]{0,63}$/,
  right: "the name of a variable, such as LOG_LEVEL",
  bytesMax: 64,
};
const mountOption: TextRule = {
  pattern: /^[A-Za-z0-9_.:=\/-]{1,64}$/,
  right: "a mount option, such as noatime",
  bytesMax: 64,
};
const argument = line(configTextBytesMax);
const agentWord: TextRule = {
  pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/,
  right: "the name of a resource agent or of its maker, such as nginx",
  bytesMax: 64,
};
const modelText = line(64);
const settingName: TextRule = { pattern: /^[a-z][A-Za-z0-9]{0,31}$/, right: "the name of a setting, such as failback", bytesMax: 32 };

const texts = (
  about: string,
  rule: TextRule,
  [countMin, countMax]: readonly [number, number],
  options: Options & { repeats?: boolean } = {},
): ColumnRule => ({ kind: "texts", text: rule, countMin, countMax, ...common(about, options) });
const map = (about: string, countMax: number, options: Options): ColumnRule => {
  return { kind: "map", key: variable, text: line(configTextBytesMax), countMax, ...common(about, options) };
};
const note = text("For people.", line(configTextBytesMax));
const named = { text: nameText, about: "The name by which everything else refers to it." };

const kinds = ["device", "imagingDevice", "address", "filesystem", "application"] as const;
const of = (...values: (typeof kinds)[number][]) => ({ only: { column: "kind", values } });
const by = (agent: "command" | "ocf" | "systemd") => ({ only: { column: "agent", values: [agent] } });
const link = (kind: "ether" | "serial") => ({ only: { column: "kind", values: [kind] } });
const roles = ["administrator", "operator", "viewer"];

const exportModes = ["active-active", "active-passive"];
const pathPolicies = ["round-robin", "least-queued", "preferred"];
const failbacks = ["controlled", "automatic"];

export const tables: Readonly<Record<TableName, TableRule>> = {
  system: {
    about: "The system as a whole.",
    since: 1,
    rowsMax: 1,
    id: { text: { pattern: /^system$/, right: "system", bytesMax: 6 }, about: "There is one row." },
    only: "system",
    columns: {
      name: text("The system's name, the same as in each card's card.json.", {
        pattern: /^[a-z0-9-]{1,32}$/,
        right: "1 to 32 small letters, digits and hyphens, such as rack-7",
        bytesMax: 32,
      }, required),
      location: text("Where it stands.", line(configTextBytesMax)),
      contact: text("Who looks after it.", line(configTextBytesMax)),
      note,
    },
  },
  chassis: {
    about: "An enclosure, or a stack, of cards that share a serial network.",
    since: 1,
    rowsMax: 8,
    id: { text: { pattern: /^[1-8]$/, right: "a number from 1 to 8", bytesMax: 1 }, about: "The number of the chassis." },
    columns: {
      kind: choice("A chassis, or a stack of single units.", ["chassis", "stack"], { default: "chassis" }),
      name: text("Its name for people.", line(nameBytesMax)),
      model: text("The maker's name of it.", line(configTextBytesMax)),
      serialNumber: text("The maker's number of it.", line(configTextBytesMax)),
      note,
    },
    unique: [{ columns: ["name"], about: "a chassis's name" }],
  },
  cards: {
    about: "A controller card, by the chassis and slot in which it sits.",
    since: 1,
    rowsMax: 64,
    id: {
      text: cardText,
      about: "The chassis and the slot.",
      fills: { column: "chassis", always: true, of: (id) => id.slice(0, 1) },
    },
    columns: {
      chassis: reference("The chassis; the first part of the id.", "chassis", fixed),
      name: text("Its name for people.", line(nameBytesMax)),
      enabled: flag(
        "Whether it serves. Which cards count for the quorum is in each card's own file: it has to be known before there is a configuration.",
        true,
      ),
      capacity: whole("How much it can serve, in the unit of the services' weights.", 0, 1_000, { default: 100 }),
      model: text("What sort of card it is, for sets that want some sorts only.", modelText),
      note,
    },
    unique: [{ columns: ["name"], about: "a card's name" }],
  },
  links: {
    about: "One of a card's links to the other cards.",
    since: 1,
    rowsMax: 64 * 4,
    id: { text: nameText, about: "The link's name on its card." },
    parent: { table: "cards", column: "card", section: "links" },
    columns: {
      card: reference("The card.", "cards", fixed),
      kind: choice("Ethernet, the public link, or serial, the private one.", ["ether", "serial"], fixed),
      interface: text("The network interface.", interfaceText, { ...required, ...link("ether") }),
      mtu: whole("The largest packet.", 576, 9_216, { unit: "bytes", default: 1_500, ...link("ether") }),
      device: text("The tty.", path, { ...required, ...link("serial") }),
      baud: whole("The speed of the line, the same on all cards.", 1_200, 4_000_000, {
        unit: "bits per second",
        default: 115_200,
        ...link("serial"),
      }),
      note,
    },
    unique: [{ columns: ["card", "interface"], about: "a card's interface" }, { columns: ["card", "device"], about: "a card's tty" }],
  },
  portGroups: {
    about: "Ports of a card that hosts reach and that fail together.",
    since: 1,
    rowsMax: 64 * 8,
    id: { text: nameText, about: "The group's name on its card." },
    parent: { table: "cards", column: "card", section: "portGroups" },
    columns: {
      card: reference("The card.", "cards", fixed),
      interfaces: texts("The network interfaces that are its ports.", interfaceText, [1, 16], required),
      note,
    },
  },
  failoverSets: {
    about: "Cards that back each other up for services.",
    since: 1,
    rowsMax: configRowsMax,
    id: named,
    columns: {
      composition: choice(
        `Single: cards, one of which serves. N-way: every card, port group or device serves something. Hierarchical: sets may be members too, at most ${setDepthMax} levels of them.`,
        ["single", "hierarchical", "n-way"],
        { default: "single" },
      ),
      failback: choice("Whether a service goes back by itself; by default what policies.failback says.", failbacks),
      cardModels: texts("Only cards of these models serve; by default any.", modelText, [1, 16]),
      softwareMin: text("Only cards with this version of the software or a later one serve; by default any.", {
        pattern: /^(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){2}$/,
        right: "a version, such as 1.2.0",
        bytesMax: 20,
      }),
      note,
    },
  },
  setMembers: {
    about: "A member of a failover set: one card, set, port group or device.",
    since: 1,
    rowsMax: configRowsMax,
    id: { text: nameOrCard, about: "The card, or a name for the member in its set.", fills: { column: "card", always: false, of: cardOf } },
    parent: { table: "failoverSets", column: "set", section: "members" },
    columns: {
      set: reference("The set.", "failoverSets", fixed),
      card: reference("The card that is the member; by default the one that the member is called after.", "cards"),
      memberSet: reference("The set that is the member.", "failoverSets"),
      portGroup: reference("The port group that is the member.", "portGroups"),
      device: reference("The device that is the member.", "resources", {
        where: { column: "kind", values: ["device", "imagingDevice"] },
      }),
      rank: whole("Who is asked first: the lowest rank, then the lowest card.", 1, 1_000, { default: 100 }),
      spare: flag("Whether it serves only after a failure.", false),
      note,
    },
    unique: [
      { columns: ["set", "card"], about: "a member of the set" },
      { columns: ["memberSet"], about: "a set in another set" },
      { columns: ["set", "portGroup"], about: "a member of the set" },
      { columns: ["set", "device"], about: "a member of the set" },
    ],
  },
  services: {
    about: "What clients use, made of resources that move together.",
    since: 1,
    rowsMax: configRowsMax,
    id: named,
    columns: {
      set: reference("The failover set that serves it.", "failoverSets", required),
      enabled: flag("Whether it is to run.", true),
      weight: whole("How much of a card's capacity it takes.", 0, 1_000, { default: 10 }),
      priority: whole("Who is served first when capacity is short: the highest.", -100, 100, { default: 0 }),
      preferred: texts("The cards where it belongs, the best one first; for N-way sets.", cardText, [1, 64]),
      together: text("Services of one N-way set with the same word here stay on one card.", nameText),
      apart: text("Of services with the same word here, a card has at most one.", nameText),
      note,
    },
  },
  resources: {
    about: "What is failed over: a storage device, an imaging device, a public address, a filesystem or an application.",
    since: 1,
    rowsMax: configRowsMax,
    id: named,
    columns: {
      kind: choice("What it is.", kinds, fixed),
      service: reference("The service that it is a part of.", "services"),
      blockBytes: whole("The device's logical block.", 512, 4_096, { unit: "bytes, 512 or 4096", default: 512, ...of("device") }),
      address: text("The address that clients use.", addressText, { ...required, ...of("address") }),
      prefix: whole("The length of the network's prefix.", 1, 128, { unit: "bits", ...required, ...of("address") }),
      interface: text("The network interface that has the address on its card.", interfaceText, { ...required, ...of("address") }),
      device: reference("The device that the filesystem is on.", "resources", {
        ...required,
        ...of("filesystem"),
        where: { column: "kind", values: ["device"] },
      }),
      mountPoint: text("Where the filesystem is mounted.", path, { ...required, ...of("filesystem") }),
      filesystem: choice("The filesystem's type.", ["ext4", "xfs", "btrfs"], { default: "ext4", ...of("filesystem") }),
      mountOptions: texts("How it is mounted.", mountOption, [0, 16], of("filesystem")),
      check: choice("Whether it is checked before it is mounted: never, when it was not unmounted cleanly, or always.", [
        "never",
        "auto",
        "always",
      ], { default: "auto", ...of("filesystem") }),
      agent: choice("What runs it: programs of its own, an OCF resource agent, or a systemd unit.", ["command", "ocf", "systemd"], {
        default: "command",
        ...of("application"),
      }),
      start: texts("The program that starts it and its arguments; no shell sees them.", argument, [1, 32], {
        ...required,
        ...by("command"),
        repeats: true,
      }),
      stop: texts("The program that stops it.", argument, [1, 32], { ...required, ...by("command"), repeats: true }),
      monitor: texts("The program that exits with 0 while it runs, and with 7 when it does not.", argument, [1, 32], {
        ...required,
        ...by("command"),
        repeats: true,
      }),
      provider: text("Who made the resource agent.", agentWord, { default: "heartbeat", ...by("ocf") }),
      type: text("The resource agent.", agentWord, { ...required, ...by("ocf") }),
      parameters: map("What the resource agent is given.", 64, by("ocf")),
      unit: text("The systemd unit.", {
        pattern: /^[A-Za-z0-9:_.@\\-]{1,240}\.(?:service|socket|target|mount|timer|path|slice)$/,
        right: "the name of a unit, such as nginx.service",
        bytesMax: 255,
      }, { ...required, ...by("systemd") }),
      environment: map("Variables for its programs.", 32, by("command")),
      critical: flag("Whether its failure resets the card.", false, of("application")),
      standby: choice(
        "Whether it runs only where its service is (cold), or on every card that would take the service over (hot): then only the rest moves.",
        ["cold", "hot"],
        { default: "cold", ...of("application") },
      ),
      monitorPeriodS: whole("How often it is looked at; by default what policies.monitorPeriodS says.", 1, 3_600, { unit: "seconds" }),
      startS: whole("The time that a start may take.", 1, 3_600, { unit: "seconds", default: 60 }),
      stopS: whole("The time that a stop may take; then the card is reset.", 1, 3_600, { unit: "seconds", default: 60 }),
      note,
    },
    unique: [{ columns: ["address"], about: "an address" }, { columns: ["mountPoint"], about: "a mount point" }, {
      columns: ["device"],
      about: "a filesystem's device",
    }],
  },
  dependencies: {
    about: "A resource that another one needs: started before it, stopped after it.",
    since: 1,
    rowsMax: 4 * configRowsMax,
    id: { text: nameText, about: "The resource that is needed.", fills: { column: "needs", always: true, of: (end) => end } },
    parent: { table: "resources", column: "resource", section: "needs", listOf: "needs" },
    columns: {
      resource: reference("The resource that needs the other one.", "resources", fixed),
      needs: reference("The resource that is needed; the end of the id.", "resources", fixed),
    },
  },
  subgroups: {
    about: "The cards that share access to one copy of a device.",
    since: 1,
    rowsMax: 4 * configRowsMax,
    id: { text: nameText, about: "The subgroup's name in its resource." },
    parent: { table: "resources", column: "resource", section: "subgroups" },
    columns: {
      resource: reference("The device.", "resources", { ...fixed, where: { column: "kind", values: ["device", "imagingDevice"] } }),
      role: choice("The primary subgroup's copy is the one that hosts see at first; the others mirror it.", ["primary", "backup"], {
        default: "backup",
      }),
      note,
    },
  },
  subgroupMembers: {
    about: "A card with access to the copy of its subgroup.",
    since: 1,
    rowsMax: 16 * configRowsMax,
    id: { text: cardText, about: "The card.", fills: { column: "card", always: true, of: (end) => end } },
    parent: { table: "subgroups", column: "subgroup", section: "members" },
    columns: {
      subgroup: reference("The subgroup.", "subgroups", fixed),
      card: reference("The card; the end of the id.", "cards", fixed),
      path: text("Where the card finds the copy.", path, required),
      note,
    },
    unique: [{ columns: ["path", "card"], about: "a device of a card" }],
  },
  exports: {
    about: "A device that hosts see.",
    since: 1,
    rowsMax: configRowsMax,
    id: named,
    columns: {
      device: reference("The device.", "resources", { ...required, where: { column: "kind", values: ["device"] } }),
      protocol: choice("How hosts reach it.", ["nbd", "iscsi", "nvme-tcp"], { default: "nbd" }),
      target: text("The name by which hosts ask for it; by default the export's own.", line(223)),
      mode: choice("Whether all paths carry commands at the same time, or one; by default what policies.exportMode says.", exportModes),
      pathPolicy: choice("How commands are spread over the paths; by default what policies.pathPolicy says.", pathPolicies),
      readOnly: flag("Whether hosts can only read.", false),
      note,
    },
    unique: [{ columns: ["target"], about: "a target" }],
  },
  exportPaths: {
    about: "A way from hosts to an export: a card and a port.",
    since: 1,
    rowsMax: 8 * configRowsMax,
    id: {
      text: nameOrCard,
      about: "The card, or a name for the path in its export.",
      fills: { column: "card", always: false, of: cardOf },
    },
    parent: { table: "exports", column: "export", section: "paths" },
    columns: {
      export: reference("The export.", "exports", fixed),
      card: reference("The card that the path goes through; by default the one that the path is called after.", "cards", required),
      portGroup: reference("The ports of that card; by default all.", "portGroups"),
      address: text("The address that hosts connect to; by default the card's own.", addressText),
      port: whole("The TCP port; by default that of the protocol.", 1, 65_535),
      preference: choice("How good the path is compared with the others.", ["optimized", "non-optimized", "standby"], {
        default: "optimized",
      }),
      weight: whole("Its share of the commands among paths that are equally good.", 1, 1_000, { default: 100 }),
      note,
    },
  },
  hosts: {
    about: "A server that uses exports.",
    since: 1,
    rowsMax: configRowsMax,
    id: named,
    columns: {
      initiator: text("The name with which it logs in: an IQN, an NQN, or what it sends over TLS.", line(223)),
      addresses: texts("The addresses and networks that it comes from, such as 192.0.2.0/24; by default any.", networkText, [
        1,
        addressesMax,
      ]),
      note,
    },
    unique: [{ columns: ["initiator"], about: "an initiator" }],
  },
  hostAccess: {
    about: "An export that a host may use.",
    since: 1,
    rowsMax: 16 * configRowsMax,
    id: { text: nameText, about: "The export.", fills: { column: "export", always: true, of: (end) => end } },
    parent: { table: "hosts", column: "host", section: "access" },
    columns: {
      host: reference("The host.", "hosts", fixed),
      export: reference("The export; the end of the id.", "exports", fixed),
      mode: choice("Whether the host may write.", ["read-write", "read-only"], { default: "read-write" }),
      lun: whole("The number by which the host knows it.", 0, 16_383),
      note,
    },
    unique: [{ columns: ["host", "lun"], about: "a number of the host" }],
  },
  policies: {
    about: "Settings of the whole system. What is not set has its default.",
    since: 1,
    rowsMax: 256,
    id: { text: settingName, about: "The setting." },
    settings,
    columns: { value: { kind: "setting", ...common("The value.", required) } },
  },
  users: {
    about: "Somebody who manages the system.",
    since: 1,
    rowsMax: 256,
    id: named,
    columns: {
      role: choice("An administrator does everything, an operator everything but users and tokens, a viewer only looks.", roles, required),
      fullName: text("The name for people.", line(configTextBytesMax)),
      password: text("The password's scrypt hash.", {
        pattern: /^scrypt\$[1-9][0-9]{0,6}\$[1-9][0-9]?\$[1-9][0-9]?\$[A-Za-z0-9+\/]{16,64}\$[A-Za-z0-9+\/]{32,128}$/,
        right: "a hash as scrypt$N$r$p$salt$hash, salt and hash in base64",
        bytesMax: 256,
      }, { secret: true }),
      enabled: flag("Whether it may log in.", true),
      note,
    },
  },
  tokens: {
    about: "A secret with which a program manages the system.",
    since: 1,
    rowsMax: 1_024,
    id: named,
    columns: {
      role: choice("What it may do, as a user's role.", roles, required),
      user: reference("The user that it belongs to; it is of no use while that one may not log in.", "users"),
      sha256: text("The SHA-256 of the secret; the secret itself is kept nowhere.", {
        pattern: /^[0-9a-f]{64}$/,
        right: "64 hexadecimal digits in small letters",
        bytesMax: 64,
      }, { ...required, secret: true }),
      expiresAt: whole("When it ends; by default never.", 0, Number.MAX_SAFE_INTEGER, { unit: "milliseconds since 1970" }),
      enabled: flag("Whether it may be used.", true),
      note,
    },
    unique: [{ columns: ["sha256"], about: "a token's secret" }],
  },
  audit: {
    about: "Who changed what, and when: a row for each change, the last ones.",
    since: 1,
    rowsMax: auditRowsMax,
    id: { text: { pattern: /^[0-9]{16}$/, right: "16 digits", bytesMax: 16 }, about: "The sequence of the change." },
    internal: true,
    columns: {
      at: whole("When, by the clock of the card.", 0, Number.MAX_SAFE_INTEGER, { unit: "milliseconds since 1970", ...required }),
      card: text("The card that planned it.", cardText, required),
      author: text("Who asked for it.", line(configTextBytesMax), required),
      comment: text("Why.", { pattern: /^[^]*$/, right: "a text", bytesMax: auditCommentBytesMax }),
      what: text(
        "What was made, changed and removed, as JSON.",
        { pattern: /^[^]+$/, right: "JSON", bytesMax: auditTextBytesMax },
        required,
      ),
    },
  },
};
