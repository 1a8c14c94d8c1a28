/** FS-4, FS-3, HA-15: what a wish may ask for, and how each refusal is told. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import type { ConfigRefusal, Operation, Scalar } from "../../src/config/change.ts";
import { migrations } from "../../src/config/migrations/migrations.ts";
import type { ConfigReader } from "../../src/config/reader.ts";
import { isConfigRefusal } from "../../src/config/refusals.ts";
import type { TableName, TableRule } from "../../src/config/rules.ts";
import { tables as rules } from "../../src/config/tables.ts";
import { judge, tableFindings, validate } from "../../src/config/validate.ts";
import { auditRowsMax, wishOperationsMax } from "../../src/limits.ts";
import { exampleTables } from "./example-tables.ts";
import { context, MemoryTables, put, remove } from "./memory-tables.ts";

const example = exampleTables();
const hash = "scrypt$16384$8$1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
const anything = (operation: unknown): Operation => operation as Operation;
const member = (id: string, columns: Record<string, Scalar>) => put("setMembers", id, columns);
const resource = (id: string, kind: string, columns: Record<string, Scalar> = {}) => put("resources", id, { kind, ...columns });
const command = { start: '["/bin/a"]', stop: '["/bin/b"]', monitor: '["/bin/c"]' };
const device = (id: string, path = `/dev/${id}`) => [
  resource(id, "device"),
  put("subgroups", `${id}/one`, { role: "primary" }),
  put("subgroupMembers", `${id}/one/1/1`, { path }),
];

/** A card's end, with all that is its. */
const lowerLeftGone = [
  remove("cards", "2/1"),
  remove("links", "2/1/public"),
  remove("links", "2/1/private"),
  remove("setMembers", "lower/2/1"),
  remove("setMembers", "web/2/1"),
  remove("subgroupMembers", "data/below/2/1"),
  remove("exportPaths", "volume-1/2/1"),
];

/** Sets, each the member of the one before. */
function nested(count: number): Operation[] {
  return Array.from({ length: count }, (_, index) => [
    put("failoverSets", `s${index}`, { composition: "hierarchical" }),
    member(`s${index}/m`, index === count - 1 ? { card: "1/1" } : { memberSet: `s${index + 1}` }),
  ]).flat();
}

/** Applications of which each needs all those of the next layer. */
function layers(count: number, width: number): Operation[] {
  const names = (layer: number) => Array.from({ length: layer < count ? width : 0 }, (_, index) => `a${layer}-${index}`);
  return Array.from({ length: count }, (_, layer) =>
    names(layer).flatMap((id) => [
      resource(id, "application", { agent: "systemd", unit: "x.service" }),
      ...names(layer + 1).map((needed) => put("dependencies", `${id}/${needed}`)),
    ])).flat();
}

/** What is wished of the example system, and what the refusal's message contains. The code is `invalid` where none is given. */
const refused: readonly (readonly [operations: readonly Operation[], message: string, code?: ConfigRefusal["code"]])[] = [
  // Operations as such.
  [[anything(null)], "operation 1: is no operation, must be a put of a row or a remove of an id"],
  [[anything([])], "operation 1: is no operation"],
  [[put("chassis", "1"), anything({ kind: "set", table: "cards" })], 'operation 2: kind is "set", must be put or remove'],
  [[anything({ kind: "put", table: "card", row: { id: "1/1" } })], 'operation 1: table "card" is none; did you mean cards?'],
  [[anything({ kind: "put", table: "zebra", row: { id: "1/1" } })], "the tables are system, chassis, cards"],
  [[anything({ kind: "put", table: "__proto__", row: { id: "1/1" } })], 'table "__proto__" is none'],
  [[anything({ kind: "put", row: { id: "1/1" } })], "table absent is none"],
  [[anything({ kind: "put", table: "cards" })], "cards: row is missing, must be an object with an id"],
  [[anything({ kind: "put", table: "cards", row: {} })], "cards: id is absent, must be a chassis and a slot, such as 1/2"],
  [[anything({ kind: "remove", table: "cards" })], "cards: id is absent, must be a chassis and a slot"],
  [[anything({ kind: "put", table: "cards", row: { id: 12 } })], "cards: id is 12, must be a chassis and a slot"],
  [[put("audit", "0000000000000001")], "audit: is written by the changes themselves, not by wishes"],
  [[remove("audit", "0000000000000001")], "audit: is written by the changes themselves"],
  [[put("cards", "1/1", { name: "a" }), put("cards", "1/1", { capacity: 1 })], "cards 1/1: is named by operations 1 and 2"],
  [[put("cards", "1/1", { name: "a" }), remove("cards", "1/1")], "cards 1/1: is named by operations 1 and 2"],
  // Ids.
  [[put("cards", "1/9")], 'cards: id is "1/9", must be a chassis and a slot, such as 1/2'],
  [[put("cards", "0/1")], 'id is "0/1"'],
  [[put("cards", "1/2 ")], 'id is "1/2 "'],
  [[put("chassis", "9")], 'chassis: id is "9", must be a number from 1 to 8'],
  [[put("failoverSets", "Front")], 'failoverSets: id is "Front", must be a name of at most 32 small letters, digits and hyphens'],
  [[put("failoverSets", "1st")], "must be a name of at most 32 small letters"],
  [[put("failoverSets", "a".repeat(33))], "must be a name of at most 32 small letters"],
  [[put("failoverSets", "")], 'failoverSets: id is ""'],
  [[put("failoverSets", "a\n")], "failoverSets: id is"],
  [
    [put("setMembers", "upper")],
    'setMembers: id is "upper", must be the id of a row of failoverSets, a slash, and a card, such as 1/2, or a name',
  ],
  [
    [put("subgroupMembers", "data/above/x")],
    'id is "data/above/x", must be the id of a row of subgroups, a slash, and a chassis and a slot',
  ],
  [[put("system", "rack-7", { name: "rack-7" })], 'system: id is "rack-7", must be system'],
  // Columns.
  [[put("cards", "1/1", { nam: "a" })], 'cards 1/1: "nam" is no column of cards; did you mean name?'],
  [[put("cards", "1/1", { colour: "a" })], "the columns are chassis, name, enabled, capacity, model, note"],
  [[put("cards", "1/1", { ["__proto__x"]: "a" })], '"__proto__x" is no column of cards'],
  [[anything({ kind: "put", table: "cards", row: JSON.parse('{"id":"1/1","__proto__":"a"}') })], '"__proto__" is no column of cards'],
  [[put("cards", "1/1", { chassis: "2" })], 'cards 1/1: chassis is "2", must be "1" as its id says'],
  [[put("links", "1/1/public", { card: "1/2" })], 'links 1/1/public: card is "1/2", must be "1/1" as its id says'],
  // Values: numbers, flags, choices.
  [[put("cards", "1/1", { capacity: -1 })], "cards 1/1: capacity is -1, must be a whole number from 0 to 1000"],
  [[put("cards", "1/1", { capacity: 1.5 })], "capacity is 1.5, must be a whole number from 0 to 1000"],
  [[put("cards", "1/1", { capacity: "5" })], 'capacity is "5", must be a whole number'],
  [[put("cards", "1/1", { capacity: Number.NaN })], "capacity is NaN"],
  [[put("cards", "1/1", { capacity: 2 ** 60 })], "capacity is 1152921504606847000, must be"],
  [[put("cards", "1/1", { enabled: 2 })], "enabled is 2, must be true or false"],
  [[anything({ kind: "put", table: "cards", row: { id: "1/1", enabled: true } })], "enabled is true, must be"],
  [[anything({ kind: "put", table: "cards", row: { id: "1/1", capacity: {} } })], "capacity is an object, must be a whole number"],
  [
    [put("failoverSets", "upper", { composition: "nway" })],
    'composition is "nway", must be one of single, hierarchical, n-way; did you mean n-way?',
  ],
  [[put("exports", "volume-1", { protocol: "smb" })], 'exports volume-1: protocol is "smb", must be one of nbd, iscsi, nvme-tcp'],
  [[put("links", "1/1/public", { mtu: 500 })], "mtu is 500, must be a whole number from 576 to 9216 (bytes)"],
  // Values: texts.
  [[put("cards", "1/1", { name: "" })], 'name is "", must be a line of text of 1 to 32 bytes'],
  [[put("cards", "1/1", { name: "two\nlines" })], "must be a line of text of 1 to 32 bytes"],
  [[put("cards", "1/1", { name: "ü".repeat(17) })], "must be a line of text of 1 to 32 bytes"],
  [[put("cards", "1/1", { name: "half \ud800" })], "must be a line of text"],
  [[put("cards", "1/1", { note: "zero \0" })], "note is"],
  [
    [put("system", "system", { name: "Rack 7" })],
    'system system: name is "Rack 7", must be 1 to 32 small letters, digits and hyphens, such as rack-7',
  ],
  [[put("links", "1/1/public", { interface: "eth0/1" })], "must be the name of a network interface, such as eth0"],
  [[put("links", "1/1/private", { device: "ttyS1" })], 'device is "ttyS1", must be an absolute path'],
  [[put("subgroupMembers", "data/above/1/1", { path: "/dev/../dev/sda" })], "without // or . or .. in it"],
  [[put("subgroupMembers", "data/above/1/1", { path: "/dev//sda" })], "without // or . or .. in it"],
  [[put("subgroupMembers", "data/above/1/1", { path: "/" })], "must be an absolute path"],
  [[put("failoverSets", "upper", { softwareMin: "1.2" })], 'softwareMin is "1.2", must be a version, such as 1.2.0'],
  [[put("users", "bob", { password: "secret" })], "must be a hash as scrypt$N$r$p$salt$hash"],
  [[put("tokens", "monitoring", { sha256: "ABCD" })], "must be 64 hexadecimal digits in small letters"],
  [[put("resources", "web-server", { unit: "nginx" })], 'unit is "nginx", must be the name of a unit, such as nginx.service'],
  // Values: addresses and networks.
  [
    [put("resources", "web-ip", { address: "192.0.2" })],
    'address is "192.0.2", must be an IPv4 or IPv6 address of one machine, such as 192.0.2.10',
  ],
  [[put("resources", "web-ip", { address: "192.0.2.256" })], "must be an IPv4 or IPv6 address"],
  [[put("resources", "web-ip", { address: "192.0.2.010" })], "must be an IPv4 or IPv6 address"],
  [[put("resources", "web-ip", { address: "224.0.0.1" })], "of one machine"],
  [[put("resources", "web-ip", { address: "0.0.0.0" })], "of one machine"],
  [[put("resources", "web-ip", { address: "ff02::1" })], "of one machine"],
  [[put("resources", "web-ip", { address: "2001:db8::1::2" })], "must be an IPv4 or IPv6 address"],
  [[put("resources", "files-ip", { prefix: 33 })], "prefix is 33, must be at most 32 for an IPv4 address"],
  [[put("resources", "files-ip", { prefix: 129 })], "prefix is 129, must be a whole number from 1 to 128 (bits)"],
  [[put("hosts", "db-1", { addresses: '["192.0.2.1/24"]' })], "a network as 192.0.2.0/24 with zeroes after its prefix"],
  [[put("hosts", "db-1", { addresses: '["192.0.2.0/33"]' })], "addresses is"],
  // Values: lists and maps.
  [[put("portGroups", "1/1/front", { interfaces: "eth2" })], 'interfaces is "eth2", must be a list of 1 to 16 different texts'],
  [[put("portGroups", "1/1/front", { interfaces: "[]" })], "must be a list of 1 to 16 different texts"],
  [[put("portGroups", "1/1/front", { interfaces: '["eth2","eth2"]' })], "must be a list of 1 to 16 different texts"],
  [[put("portGroups", "1/1/front", { interfaces: '["eth2",5]' })], "must be a list of 1 to 16 different texts"],
  [[put("resources", "scan-server", { environment: '{"A B":"c"}' })], "each key is the name of a variable, such as LOG_LEVEL"],
  [[put("resources", "scan-server", { environment: '["A"]' })], "must be an object of at most 32 texts"],
  [[put("resources", "scan-server", { environment: "{" })], "must be an object of at most 32 texts"],
  [
    [put("policies", "failback", { value: "controlled" })],
    'policies failback: value is "controlled", must be one of controlled, automatic, as JSON',
  ],
  [[put("policies", "failback", { value: '"sometimes"' })], "must be one of controlled, automatic"],
  [[put("policies", "quarantineS", { value: "-1" })], "must be a whole number from 0 to 604800 (seconds)"],
  [[put("policies", "quarantineS")], "policies quarantineS: value is missing"],
  [[put("policies", "failbak", { value: "1" })], "policies failbak: is no setting; did you mean failback?"],
  [[put("policies", "toString", { value: "1" })], "policies toString: is no setting; the settings are"],
  // Columns that are missing, in the wrong row, or fixed.
  [[put("services", "new")], "services new: set is missing, must be the id of a row of failoverSets"],
  [[put("services", "files", { set: null })], "services files: set is missing"],
  [[put("resources", "new")], "resources new: kind is missing, must be one of device, imagingDevice, address, filesystem, application"],
  [
    [put("resources", "new", { kind: "address", address: "192.0.2.77", interface: "eth1" })],
    "prefix is missing, must be a whole number from 1 to 128",
  ],
  [[resource("new", "application", { start: '["/bin/a"]' })], "resources new: stop is missing"],
  [[resource("new", "application", { agent: "ocf" })], "resources new: type is missing, must be the name of a resource agent"],
  [[put("links", "1/1/third", { kind: "serial" })], "links 1/1/third: device is missing, must be an absolute path"],
  [
    [put("links", "1/1/public", { device: "/dev/ttyS2" })],
    'device is "/dev/ttyS2", must be left out: only a row whose kind is serial has it',
  ],
  [
    [put("resources", "web-ip", { mountPoint: "/mnt" })],
    'mountPoint is "/mnt", must be left out: only a row whose kind is filesystem has it',
  ],
  [[put("resources", "web-server", { start: '["/bin/a"]' })], "must be left out: only a row whose agent is command has it"],
  [
    [put("resources", "web-ip", { kind: "application", ...command })],
    'kind is "application", must stay "address"; remove the row and make another one',
  ],
  [[put("tokens", "new", { role: "viewer" })], "tokens new: sha256 is missing"],
  [[put("users", "carol")], "users carol: role is missing, must be one of administrator, operator, viewer"],
  // References.
  [
    [put("services", "files", { set: "bath" })],
    'services files: set is "bath", and there is no such row in failoverSets; did you mean both?',
  ],
  [[put("cards", "3/1")], 'cards 3/1: chassis is "3", and there is no such row in chassis'],
  [[put("links", "3/3/x", { kind: "ether", interface: "eth0" })], 'card is "3/3", and there is no such row in cards'],
  [[put("resources", "files-fs", { device: "web-ip" })], 'device is "web-ip", whose kind is "address", must be one whose kind is device'],
  [[put("exports", "new", { device: "scanner" })], 'device is "scanner", whose kind is "imagingDevice", must be one whose kind is device'],
  [[put("exportPaths", "volume-1/3/1")], 'exportPaths volume-1/3/1: card is "3/1", and there is no such row in cards'],
  [[put("exportPaths", "volume-1/extra")], "exportPaths volume-1/extra: card is missing"],
  [
    [put("hostAccess", "db-1/volume-2")],
    'hostAccess db-1/volume-2: export is "volume-2", and there is no such row in exports; did you mean volume-1?',
  ],
  [
    [put("subgroups", "web-ip/x", { role: "primary" })],
    'resource is "web-ip", whose kind is "address", must be one whose kind is device or imagingDevice',
  ],
  [[put("dependencies", "web-server/nothing")], 'needs is "nothing", and there is no such row in resources'],
  [[put("tokens", "monitoring", { user: "carol" })], 'user is "carol", and there is no such row in users; there are alice, bob'],
  [[put("services", "intranet", { preferred: '["1/2","1/3"]' })], 'services intranet: preferred has "1/3", and there is no such card'],
  [[member("both/third", { memberSet: "nobody" })], 'memberSet is "nobody", and there is no such row in failoverSets'],
  // Removal.
  [[remove("cards", "1/3")], "cards 1/3: is not there, so it cannot be removed; did you mean 1/1?"],
  [[remove("cards", "2/2")], "cards 2/2: cannot be removed while links 2/2/private and 1 more refer to it (card)"],
  [[remove("chassis", "1")], "chassis 1: cannot be removed while cards 1/1 and 1 more refer to it (chassis)"],
  [[remove("failoverSets", "upper")], "failoverSets upper: cannot be removed while setMembers"],
  [[remove("resources", "data")], "resources data: cannot be removed while resources files-fs refers to it (device)"],
  [[remove("exports", "volume-1")], "exports volume-1: cannot be removed while exportPaths volume-1/1/1 and 3 more refer to it (export)"],
  [[remove("users", "bob")], "users bob: cannot be removed while tokens monitoring refers to it (user)"],
  [[remove("system", "system")], "system system: cannot be removed; set its columns to null instead"],
  // What is there once.
  [[put("cards", "1/1", { name: "lower-left" })], 'cards 1/1: name is "lower-left", which cards 2/1 has; a card\'s name is there once'],
  [[put("chassis", "3", { name: "upper" })], 'name is "upper", which chassis 1 has'],
  [
    [put("resources", "web-ip", { address: "192.0.2.10", prefix: 24 })],
    'address is "192.0.2.10", which resources files-ip has; an address is there once',
  ],
  [[put("resources", "files-ip", { address: "2001:DB8:0::80" })], 'address is "2001:db8::80", which resources web-ip has'],
  [
    device("other", "/dev/bus/usb/001/004"),
    'path is "/dev/bus/usb/001/004", which subgroupMembers scanner/desk/1/1 has; a device of a card is there once',
  ],
  [[put("hosts", "db-2", { initiator: "iqn.2026-01.org.example:db-1" })], "an initiator is there once"],
  [
    [put("hosts", "h"), put("exports", "e", { device: "data" }), put("hostAccess", "db-1/e", { lun: 0 })],
    "lun is 0, which hostAccess db-1/volume-1 has",
  ],
  [[put("links", "1/1/more", { kind: "ether", interface: "eth0" })], 'interface is "eth0", which links 1/1/public has'],
  [
    [member("web/again", { card: "1/1" })],
    'setMembers web/again: card is "1/1", which setMembers web/1/1 has; a member of the set is there once',
  ],
  [
    [put("tokens", "copy", { role: "viewer", sha256: "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c" })],
    "a token's secret is there once",
  ],
  [[resource("fs-2", "filesystem", { device: "data", mountPoint: "/srv/more" })], "a filesystem's device is there once"],
  [[put("cards", "1/1", { name: "same" }), put("cards", "1/2", { name: "same" })], 'name is "same", which cards'],
  // Failover sets.
  [[put("failoverSets", "new")], "failoverSets new: has no member, must have at least one"],
  [[remove("setMembers", "upper/1/1"), remove("setMembers", "upper/1/2")], "would make failoverSets upper wrong: it has no member"],
  [
    [member("upper/child", { memberSet: "web" })],
    "it has the member upper/child, which is no card; must be hierarchical for that, and is single",
  ],
  [
    [put("failoverSets", "both", { composition: "n-way" })],
    "failoverSets both: has the member both/first, which is a set; must be hierarchical for that, and is n-way",
  ],
  [[put("failoverSets", "solo", { composition: "n-way" }), member("solo/1/1", {})], "has one member, must have at least two to be n-way"],
  [
    [put("setMembers", "upper/1/1", { spare: 1 }), put("setMembers", "upper/1/2", { spare: 1 })],
    "it has only spare members, must have one that serves",
  ],
  [
    [member("scanning/low", { memberSet: "lower" })],
    'memberSet is "lower", which setMembers both/second has; a set in another set is there once',
  ],
  [[member("both/neither", {})], "setMembers both/neither: card is missing, and so are memberSet, portGroup and device"],
  [[member("both/1/1", { memberSet: "web" })], "setMembers both/1/1: memberSet is given besides card, must be one of them"],
  [[member("both/self", { memberSet: "both" })], "it would be a member of itself, over both > both; must be a tree"],
  [
    [put("failoverSets", "upper", { composition: "hierarchical" }), member("upper/up", { memberSet: "both" })],
    "would be a member of itself, over",
  ],
  [
    [put("cards", "2/1", { enabled: 0 }), put("cards", "2/2", { enabled: 0 })],
    "would make failoverSets lower wrong: it has no member that can serve",
  ],
  [
    nested(9),
    "would have more than 8 levels of sets",
  ],
  // What nobody could serve.
  [
    [put("services", "files", { weight: 101 })],
    "services files: would leave nobody to serve services files: on one card that weighs 101, must be at most 100, the largest capacity of a card of failoverSets both",
  ],
  [
    [put("services", "more", { set: "both", weight: 61 })],
    "services more: would leave nobody to serve services files and more: on one card",
  ],
  [
    ["1/1", "1/2", "2/1", "2/2"].map((id) => put("cards", id, { capacity: 39 })),
    "cards 1/1: would leave nobody to serve services files: on one card that weighs 40, must be at most 39",
  ],
  [
    [put("services", "low", { set: "lower", weight: 60 }), put("cards", "2/1", { enabled: 0 })],
    "would leave nobody to serve services low: on one card that weighs 60, must be at most 50, the largest capacity of a card of failoverSets lower",
  ],
  [[put("services", "intranet", { weight: 101 })], "the largest capacity of a card of failoverSets web"],
  [
    [
      put("services", "intranet", { weight: 60, together: "x" }),
      put("services", "wiki", { set: "web", weight: 60, together: "x" }),
    ],
    "nobody to serve services intranet and wiki: on one card that weighs 120",
  ],
  [
    [put("services", "files", { apart: "x" }), put("services", "more", { set: "both", apart: "x" })],
    "services files: would have services files and more apart (x) and on one card, as failoverSets both is hierarchical; must be one of both",
  ],
  [
    [put("services", "intranet", { apart: "x", together: "y" }), put("services", "wiki", { set: "web", apart: "x", together: "y" })],
    "would have services intranet and wiki apart (x) and together (y)",
  ],
  [
    [put("services", "scans", { set: "lower" })],
    "services scans: would leave nobody to serve services scans: resources scanner is reached by 1/1, 1/2, must be reached by one of failoverSets lower: 2/1, 2/2",
  ],
  [
    [...device("scratch"), put("dependencies", "web-server/scratch"), remove("setMembers", "web/1/1")],
    "resources scratch is reached by 1/1",
  ],
  [
    [
      ...device("scratch"),
      resource("reader", "application", { ...command, service: "far" }),
      put("dependencies", "reader/scratch"),
      put("services", "far", { set: "lower" }),
    ],
    "would leave nobody to serve services far: resources scratch",
  ],
  // Cards.
  [
    [...["1/1", "1/2", "2/1", "2/2"].map((id) => put("cards", id, { enabled: 0 }))],
    "cards 1/1: enabled would leave no card that is enabled, must leave one",
  ],
  [[remove("cards", "2/2"), remove("links", "2/2/public")], "cards 2/2: cannot be removed while links 2/2/private refers to it"],
  [lowerLeftGone, "cards 2/1: cannot be removed while services intranet names it (preferred)"],
  // Resources.
  [[put("resources", "data", { blockBytes: 1_024 })], "blockBytes is 1024, must be 512 or 4096"],
  [[resource("bare", "device")], "resources bare: would leave resources bare with 0 primary subgroups, must be exactly one"],
  [[put("subgroups", "data/below", { role: "primary" })], "subgroups data/below: role would leave resources data with 2 primary subgroups"],
  [[put("subgroups", "data/above", { role: "backup" })], "would leave resources data with 0 primary subgroups"],
  [[put("subgroups", "data/third")], "would leave subgroups data/third without a card, must have at least one"],
  [
    [remove("subgroupMembers", "data/above/1/1"), remove("subgroupMembers", "data/above/1/2")],
    "would leave subgroups data/above without a card",
  ],
  [
    [put("subgroups", "scanner/second"), put("subgroupMembers", "scanner/second/2/1", { path: "/dev/x" })],
    "would give the imaging device scanner a backup, must be none: only storage is mirrored",
  ],
  [
    [put("dependencies", "web-ip/web-server")],
    "dependencies web-ip/web-server: needs would make resources web-ip need itself; must be without a circle",
  ],
  [[put("dependencies", "web-ip/web-ip")], "would make resources web-ip need itself"],
  [[put("dependencies", "data/files-fs")], "need itself; must be without a circle"],
  [
    [put("resources", "web-server", { standby: "hot" })],
    "web-server: standby would make resources web-server, which runs on every card (standby hot), need web-ip, which does not; must need only what is hot too",
  ],
  [
    [put("dependencies", "web-server/files-ip")],
    "need files-ip, which is in service files; must be in the same service, or files-ip in none",
  ],
  [
    [put("resources", "data", { service: "intranet" })],
    "resources data: service would make resources files-fs, which is in service files, need data, which is in service intranet",
  ],
  [layers(33, 1), "would make a chain of more than 32 resources, from"],
  [layers(40, 3), "would make a chain of more than 32 resources, from"],
  // Exports.
  [[put("exportPaths", "volume-1/1/1", { portGroup: "1/2/front" })], 'portGroup is "1/2/front", must be a port group of the card 1/1'],
  [[put("exportPaths", "volume-1/1/1", { port: 0 })], "port is 0, must be a whole number from 1 to 65535"],
  [[put("hostAccess", "db-1/volume-1", { lun: 16_384 })], "lun is 16384, must be a whole number from 0 to 16383"],
  // Bounds.
  [Array.from({ length: 1_100 }, (_, index) => put("hosts", `host-${index}`)), "hosts has at most 1024", "bounds"],
  [Array.from({ length: wishOperationsMax + 1 }, () => put("chassis", "1")), `at most ${wishOperationsMax} are one change`, "bounds"],
];

test(`FS-4: what is not right is refused with what would be: ${refused.length} cases`, () => {
  assert.ok(refused.length >= 100);
  const wrong: string[] = [];
  for (const [operations, message, code = "invalid"] of refused) {
    const refusal = validate(example, operations, context);
    const name = JSON.stringify(operations.slice(0, 3)) ?? "";
    if (!isConfigRefusal(refusal)) wrong.push(`${name} was accepted, and must be refused: ${message}`);
    else if (!refusal.message.includes(message)) wrong.push(`${name}\n  said: ${refusal.message}\n  not:  ${message}`);
    else if (refusal.code !== code) wrong.push(`${name}\n  is ${refusal.code}, not ${code}`);
  }
  assert.equal(wrong, []);
});

test("a refusal names operation, table, id and column", () => {
  assert.equal(validate(example, [put("chassis", "1"), put("cards", "1/2", { capacity: -1 })], context), {
    code: "invalid",
    message: "cards 1/2: capacity is -1, must be a whole number from 0 to 1000",
    operation: 1,
    table: "cards",
    id: "1/2",
    column: "capacity",
  });
});

function refusalsOf(tables: MemoryTables, operations: readonly Operation[]): readonly ConfigRefusal[] {
  const judged = judge(tables, operations, context);
  return judged.kind === "refused" ? judged.refusals : [];
}

test("all mistakes of a wish are told together, up to a bound", () => {
  const wrong = [
    put("cards", "1/1", { capacity: -1, name: "" }),
    put("users", "bob", { role: "king" }),
    put("services", "files", { set: "x" }),
  ];
  assert.equal(refusalsOf(example, wrong).map(({ operation, column }) => [operation, column]), [[0, "name"], [0, "capacity"], [1, "role"]]);
  const many = Array.from({ length: 1_000 }, (_, index) => put("hosts", `Host-${index}`));
  assert.is(refusalsOf(example, many).length, 64);
});

/** What is right though it looks as one of the refused. */
const accepted: readonly (readonly [what: string, operations: readonly Operation[]])[] = [
  ["two cards exchange their names", [put("cards", "1/1", { name: "upper-right" }), put("cards", "1/2", { name: "upper-left" })]],
  ["a reference comes before what it refers to", [
    put("services", "new", { set: "fresh" }),
    member("fresh/1/1", {}),
    put("failoverSets", "fresh"),
    put("cards", "3/1"),
    put("chassis", "3"),
  ]],
  ["a set goes with its members, and its service to another one", [
    remove("failoverSets", "web"),
    ...["1/1", "1/2", "2/1", "2/2"].map((card) => remove("setMembers", `web/${card}`)),
    put("services", "intranet", { set: "lower" }),
  ]],
  ["a row goes together with what refers to it", [
    remove("hosts", "db-1"),
    remove("hostAccess", "db-1/volume-1"),
  ]],
  ["the last member is replaced", [remove("setMembers", "upper/1/1"), remove("setMembers", "upper/1/2"), member("upper/2/1", {})]],
  ["a card is disabled while another one serves", [put("cards", "2/1", { enabled: 0 })]],
  ["ports are a member of an N-way set", [member("web/ports", { portGroup: "1/1/front" })]],
  ["null takes a column back to its default", [put("cards", "2/2", { capacity: null, name: null })]],
  ["an address is written otherwise", [put("resources", "web-ip", { address: "2001:DB8:0:0::0081" })]],
  ["the agent of an application changes, and what belonged to the other goes", [
    put("resources", "web-server", { agent: "command", ...command }),
  ]],
  ["the primary subgroup changes", [
    put("subgroups", "data/above", { role: "backup" }),
    put("subgroups", "data/below", { role: "primary" }),
  ]],
  ["a needed resource in no service", [...device("scratch"), put("dependencies", "web-server/scratch")]],
  ["a card goes, and the service that named it names another", [...lowerLeftGone, put("services", "intranet", { preferred: '["1/2"]' })]],
  ["a resource goes with what it needs, and so does its service", [
    remove("resources", "scan-server"),
    remove("dependencies", "scan-server/scanner"),
    put("resources", "scanner", { service: null }),
    remove("services", "scans"),
  ]],
  ["a chain of needs moves to another service", [
    put("resources", "web-ip", { service: "files" }),
    put("resources", "web-server", { service: "files" }),
  ]],
  ["an imaging device goes with its subgroup, its place in a set, and who needs it", [
    remove("resources", "scanner"),
    remove("subgroups", "scanner/desk"),
    remove("subgroupMembers", "scanner/desk/1/1"),
    remove("subgroupMembers", "scanner/desk/1/2"),
    remove("setMembers", "scanning/scanner"),
    remove("dependencies", "scan-server/scanner"),
  ]],
  ["sets of eight levels", nested(8)],
  ["an N-way set has more services than room: those of the lowest priority wait", [
    put("services", "intranet", { weight: 100 }),
    ...["a", "b", "c", "d"].map((id) => put("services", id, { set: "web", weight: 100 })),
  ]],
  ["a service that is off weighs nothing", [put("services", "more", { set: "both", weight: 1_000, enabled: 0 })]],
  ["services are apart in an N-way set", [
    put("services", "intranet", { apart: "x" }),
    put("services", "wiki", { set: "web", apart: "x" }),
  ]],
  ["a card of a set reaches the device that its service needs", [
    ...device("scratch"),
    resource("reader", "application", { ...command, service: "near" }),
    put("dependencies", "reader/scratch"),
    put("services", "near", { set: "upper" }),
  ]],
  ["a resource that is needed over very many ways", layers(32, 3)],
  ["a device path of another card", device("third", "/dev/disk/by-id/wwn-0x5000c500a1b2c302")],
  ["a path of an export called by a name", [put("exportPaths", "volume-1/second", { card: "1/1", port: 3_261 })]],
];

test("HA-15: what is right is carried out, in any order of its operations, and leaves the tables right", () => {
  for (const [what, operations] of accepted) {
    for (const order of [operations, operations.toReversed()]) {
      const tables = example.copy();
      assert.is(tables.change(order), undefined, what);
      assert.equal(tableFindings(tables, 1), [], what);
    }
  }
});

test("FS-3: a service is refused what none of its cards reaches, whichever change is the one too many", () => {
  const run = (id: string, service: string | null) => resource(id, "application", { ...command, service });
  const needs = (ends: string) => put("dependencies", ends);
  const reader = [...device("scratch"), run("store", null), run("reader", "far"), put("services", "far", { set: "upper" })];
  const all = [...reader, needs("reader/store"), needs("store/scratch")];
  const low = put("services", "far", { set: "lower" });
  const cases: readonly (readonly [before: readonly Operation[], wish: readonly Operation[]])[] = [
    [all, [low]],
    [all, [put("subgroupMembers", "scratch/one/2/1", { path: "/dev/x" }), remove("subgroupMembers", "scratch/one/1/1")]],
    [all, [put("cards", "1/2"), member("upper/2/1", {}), remove("setMembers", "upper/1/1")]],
    [all, [put("cards", "1/1", { enabled: 0 })]],
    [[...reader, low, needs("reader/store")], [needs("store/scratch")]],
    [[...reader, low, needs("store/scratch")], [needs("reader/store")]],
    [[...all, run("reader", null), low], [put("resources", "reader", { service: "far" })]],
    [[...all, put("services", "far", { set: "lower", enabled: 0 })], [put("services", "far", { enabled: 1 })]],
  ];
  for (const [index, [before, wish]] of cases.entries()) {
    const tables = example.copy();
    const rows = new Map(before.map((each) => [`${each.table} ${each.kind === "put" ? each.row.id : each.id}`, each]));
    assert.is(tables.change([...rows.values()]), undefined, `before case ${index}`);
    assert.match(String(tables.change(wish)), "would leave nobody to serve services far: resources scratch is reached by", `case ${index}`);
  }
});

test("FS-3: what nobody could serve before is no damage, and may get better, not worse", () => {
  const tables = example.copy();
  // As the rules of an earlier version may have let it in.
  tables.apply(["1/1", "1/2", "2/1", "2/2"].map((id) => put("cards", id, { capacity: 20 })));
  assert.equal(tableFindings(tables, 1), []);
  assert.match(String(tables.change([put("services", "files", { weight: 41 })])), "services files: would leave nobody to serve");
  assert.is(tables.change([put("services", "files", { weight: 30 })]), undefined);
  assert.is(tables.change([put("cards", "1/1", { capacity: 25 })]), undefined);
});

test("a wish is carried out with its defaults, and told in the audit", () => {
  const validated = validate(new MemoryTables(), [put("cards", "1/2", { name: "left" }), put("chassis", "1")], context);
  assert.equal(validated, {
    kind: "validated",
    operations: [
      put("cards", "1/2", { chassis: "1", name: "left", enabled: 1, capacity: 100, model: null, note: null }),
      put("chassis", "1", { kind: "chassis", name: null, model: null, serialNumber: null, note: null }),
      put("audit", "0000000000000001", {
        at: 1_700_000_000_000,
        card: "1/2",
        author: "alice",
        comment: "because",
        what: JSON.stringify([
          {
            did: "made",
            table: "cards",
            id: "1/2",
            columns: { chassis: [null, "1"], name: [null, "left"], enabled: [null, 1], capacity: [null, 100] },
          },
          { did: "made", table: "chassis", id: "1", columns: { kind: [null, "chassis"] } },
        ]),
      }),
    ],
  });
});

test("FS-3: a set is refused its last card that serves, by whichever way that one serves", () => {
  const told = (first: readonly Operation[], operations: readonly Operation[]): string => {
    const tables = example.copy();
    assert.is(tables.change(first), undefined);
    return refusalsOf(tables, operations).map(({ message }) => message).join("\n") || "accepted";
  };
  const scannerOnly = [remove("setMembers", "scanning/spare-ports")];
  const nobody = /would make failoverSets scanning wrong: it has no member that can serve/;
  const disabled = (card: string) => put("cards", card, { enabled: 0 });
  assert.is(told(scannerOnly, [disabled("1/2")]), "accepted");
  assert.match(told([...scannerOnly, disabled("1/2")], [remove("subgroupMembers", "scanner/desk/1/1")]), nobody);
  assert.match(told(scannerOnly, [disabled("1/1"), disabled("1/2")]), nobody);
  const portsOnly = [remove("setMembers", "scanning/scanner")];
  assert.match(told(portsOnly, [disabled("1/2")]), nobody);
  // What stands on another set goes down with it.
  const chain = [put("failoverSets", "top", { composition: "hierarchical" }), member("top/m", { memberSet: "mid" })];
  const mid = [put("failoverSets", "mid", { composition: "hierarchical" }), member("mid/m", { memberSet: "scanning" })];
  assert.is(told([...portsOnly, ...chain, ...mid], []), "accepted");
  assert.match(told([...portsOnly, ...chain, ...mid], [disabled("1/2")]), nobody);
  assert.is(told([...chain, ...mid], [disabled("1/2")]), "accepted");
  assert.match(
    told([...chain, ...mid], [member("scanning/up", { memberSet: "top" })]),
    /setMembers scanning\/up: memberSet would make failoverSets scanning wrong: it would be a member of itself, over scanning > top > mid > scanning/,
  );
});

test("a table takes as many rows as it may have, and a new one for one that goes", () => {
  const tables = new MemoryTables();
  const { rowsMax } = rules.hosts;
  assert.is(tables.change(Array.from({ length: rowsMax }, (_, index) => put("hosts", `host-${index}`))), undefined);
  assert.match(tables.change([put("hosts", "more")]) ?? "", /hosts more: would be row 1025, and hosts has at most 1024/);
  assert.is(tables.change([put("hosts", "more"), remove("hosts", "host-7")]), undefined);
  assert.is(tables.count("hosts"), rowsMax);
});

test("the operations come in the order of the wish, the audit's last", () => {
  const wish = [put("cards", "1/1"), put("chassis", "1"), put("cards", "1/2"), put("hosts", "h"), put("chassis", "2")];
  const { operations } = validate(new MemoryTables(), wish, context) as { operations: readonly Operation[] };
  const ids = operations.map((operation) => operation.kind === "put" ? operation.row.id : "");
  assert.equal(ids, ["1/1", "1", "1/2", "h", "2", "0000000000000001"]);
});

test("values are kept in their one form", () => {
  const tables = example.copy();
  const after = (table: TableName, id: string, columns: Record<string, Scalar>) => {
    assert.is(tables.change([put(table, id, columns)]), undefined);
    return tables.row(table, id);
  };
  assert.is(after("resources", "web-ip", { address: "2001:0DB8:0:0:1:0:0:0001" })?.["address"], "2001:db8::1:0:0:1");
  assert.is(after("resources", "scan-server", { environment: ' {"B": "2",\n"A": "1"}' })?.["environment"], '{"A":"1","B":"2"}');
  assert.is(after("hosts", "db-1", { addresses: '[ "2001:DB8::/32" ]' })?.["addresses"], '["2001:db8::/32"]');
  assert.is(after("policies", "quarantineS", { value: " 60 " })?.["value"], "60");
  assert.ok(Object.is(after("cards", "1/1", { capacity: -0 })?.["capacity"], 0));
});

test("a wish without effect is nothing at all", () => {
  const operations = [...example.rows("cards"), ...example.rows("chassis")].map((row) =>
    put(row.id.includes("/") ? "cards" : "chassis", row.id, row)
  );
  assert.equal(validate(example, operations, context), { kind: "validated", operations: [] });
  assert.equal(validate(example, [], context), { kind: "validated", operations: [] });
});

test("the last administrator stays, whichever way it would go", () => {
  const tables = example.copy();
  const last = /would take away the last administrator/;
  // Alice has no password and no token: there is nobody to lose.
  assert.is(tables.change([put("users", "alice", { role: "operator" })]), undefined);
  assert.is(tables.change([put("users", "alice", { role: "administrator", password: hash })]), undefined);
  assert.match(tables.change([put("users", "alice", { role: "operator" })]) ?? "", last);
  assert.match(tables.change([put("users", "alice", { enabled: 0 })]) ?? "", last);
  assert.match(tables.change([put("users", "alice", { password: null })]) ?? "", last);
  assert.match(tables.change([remove("users", "alice")]) ?? "", last);
  const token = (expiresAt: number | null) => put("tokens", "root", { role: "administrator", sha256: "ab".repeat(32), expiresAt });
  assert.match(tables.change([token(1_900_000_000_000), remove("users", "alice")]) ?? "", last);
  assert.is(tables.change([token(null), remove("users", "alice")]), undefined);
  assert.match(tables.change([remove("tokens", "root")]) ?? "", last);
  assert.is(tables.change([remove("tokens", "root"), put("users", "dora", { role: "administrator", password: hash })]), undefined);
});

test("HA-1: what is newer than the level of the system is refused with the cards that are in the way", () => {
  assert.equal(validate(new MemoryTables(), [put("chassis", "1")], { ...context, level: 0, olderCards: [1, 9] as CardId[] }), {
    code: "too-new",
    message: "chassis: needs level 1, and the system is at level 0: cards 1/1, 2/1 have older software; update it first",
    operation: 0,
    table: "chassis",
  });
  const column = { kind: "whole", min: 0, max: 9, about: "A column of level 2.", since: 2, required: false, default: 7 } as const;
  const newer: Record<TableName, TableRule> = {
    ...rules,
    chassis: { ...rules.chassis, columns: { ...rules.chassis.columns, height: column } },
    hosts: { ...rules.hosts, since: 2 },
    policies: { ...rules.policies, settings: { ...rules.policies.settings, altitude: column } },
  };
  const told = (operations: readonly Operation[], level: number) => {
    const judged = judge(new MemoryTables(), operations, { ...context, level, olderCards: [3 as CardId] }, newer);
    return judged.kind === "refused" ? judged.refusals[0] : judged;
  };
  const tooNew = told([put("chassis", "1", { height: 3 })], 1) as ConfigRefusal;
  assert.is(tooNew.code, "too-new");
  assert.is(tooNew.message, "chassis 1: height needs level 2, and the system is at level 1: card 1/3 has older software; update it first");
  assert.is((told([put("hosts", "a")], 1) as ConfigRefusal).code, "too-new");
  assert.match((told([put("policies", "altitude", { value: "3" })], 1) as ConfigRefusal).message, /^policies altitude: needs level 2/);
  assert.not("code" in told([put("policies", "altitude", { value: "3" })], 2));
  const [made] = (told([put("chassis", "1", { height: null })], 1) as { operations: readonly Operation[] }).operations;
  assert.not("height" in (made?.kind === "put" ? made.row : {}), "a column of a higher level is not written");
  const [full] = (told([put("chassis", "1")], 2) as { operations: readonly Operation[] }).operations;
  assert.is(full?.kind === "put" ? full.row["height"] : undefined, 7);
});

test("the audit has one row for each change, hides secrets, and forgets the oldest", () => {
  const tables = example.copy();
  assert.is(tables.change([put("users", "alice", { password: hash })]), undefined);
  const row = tables.rows("audit").at(-1);
  assert.is(row?.["what"], '[{"did":"changed","table":"users","id":"alice","columns":{"password":[null,"hidden"]}}]');

  const full = new MemoryTables();
  full.apply([put("audit", "0000000000000001"), put("audit", "0000000000000002")]);
  const { operations } = validate(full, [put("chassis", "1")], { ...context, sequence: auditRowsMax + 2 }) as {
    operations: readonly Operation[];
  };
  assert.equal(operations.at(-1), remove("audit", "0000000000000002"));
});

test("the audit of a large change is cut to its bound and says how much is left out", () => {
  const wish = Array.from({ length: 500 }, (_, index) => put("hosts", `host-${index}`, { note: "ü".repeat(100) }));
  const { operations } = validate(new MemoryTables(), wish, {
    ...context,
    author: "ä".repeat(1_000),
    comment: "\ud800\0".repeat(2_000),
  }) as {
    operations: readonly Operation[];
  };
  const audit = operations.at(-1);
  assert.ok(audit?.kind === "put" && audit.table === "audit");
  const what = JSON.parse(String(audit.row["what"])) as readonly { more?: number }[];
  assert.is(what.length - 1 + (what.at(-1)?.more ?? 0), 500);
  const bytes = (value: unknown) => new TextEncoder().encode(String(value)).length;
  assert.ok(bytes(audit.row["what"]) <= 8_192 && bytes(audit.row["author"]) <= 256 && bytes(audit.row["comment"]) <= 1_024);
  assert.ok(String(audit.row["comment"]).isWellFormed());
});

test("what a wish costs follows the wish, not the tables, and only indexed columns are looked for", () => {
  const indexed = new Set(
    migrations.flatMap(({ sql }) => [...sql.matchAll(/ ON "(\w+)" \("(\w+)"/g)].map(([, table, column]) => `${table}.${column}`)),
  );
  let callCount = 0;
  const reader: ConfigReader = {
    row: (table, id) => (callCount++, example.row(table, id)),
    count: (table) => (callCount++, example.count(table)),
    rowsWith: (table, column, value) => {
      assert.ok(indexed.has(`${table}.${column}`), `${table}.${column} has no index`);
      callCount++;
      return example.rowsWith(table, column, value);
    },
    rows: () => {
      throw new Error("all rows of a table are read");
    },
  };
  for (const [what, operations] of accepted) {
    // Few wishes disable or remove a card, and then all cards and services are looked at.
    if (operations.some((each) => each.table === "cards" && (each.kind === "remove" || each.row["enabled"] === 0))) continue;
    callCount = 0;
    assert.not(isConfigRefusal(validate(reader, operations, context)), what);
    assert.ok(callCount < 20 + 30 * operations.length, `${what}: ${callCount} calls`);
  }
});

test("whole tables are proven: references, invariants, and that values are in their one form", () => {
  assert.equal(tableFindings(example, 1), []);
  const broken = example.copy();
  broken.apply([put("services", "files", { set: "gone" })]);
  assert.match(tableFindings(broken, 1).join(), /services files: set is "gone", and there is no such row in failoverSets/);
  const odd = example.copy();
  odd.apply([put("resources", "web-ip", { address: "2001:DB8::80" })]);
  assert.equal(tableFindings(odd, 1), ['resources web-ip: address is "2001:DB8::80", must be kept as "2001:db8::80"']);
});

test.run();
