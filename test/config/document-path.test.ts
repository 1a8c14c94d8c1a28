/** FS-4: single values of the configuration, from a shell. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  completionsOfPath,
  isPathMistake,
  meaningOfPath,
  type PathMeaning,
  settingAtPath,
  unsettingAtPath,
  valueAtPath,
} from "../../src/config/document-path.ts";
import type { DocumentPlan } from "../../src/config/document.ts";
import { stepLine } from "../../src/config/row-difference.ts";
import { tableFindings } from "../../src/config/validate.ts";
import { exampleTables } from "./example-tables.ts";
import { context, put } from "./memory-tables.ts";

const example = exampleTables();

function told(plan: DocumentPlan | { readonly mistake: string }): string {
  return isPathMistake(plan) ? (plan as { mistake: string }).mistake : (plan as DocumentPlan).steps.map(stepLine).join("; ");
}

test("what stands at a path", () => {
  const cases: readonly (readonly [path: string, value: unknown])[] = [
    ["system.name", "rack-7"],
    ["system", { name: "rack-7", location: "Hall B, row 4", contact: "storage@example.org" }],
    ["cards.1/2.name", "upper-right"],
    ["cards.1/2.enabled", true],
    ["cards.1/2.note", null],
    ["cards.1/2.portGroups", { front: { interfaces: ["eth2", "eth3"] } }],
    ["cards.1/2.links.public.mtu", 1_500],
    ["failoverSets.both.members.first.rank", 1],
    ["failoverSets.web.members.2/2", { spare: true }],
    ["resources.scan-server.environment", { SCANNER_MODE: "duplex" }],
    ["resources.scan-server.environment.SCANNER_MODE", "duplex"],
    ["resources.scan-server.environment.OTHER", null],
    ["resources.scan-server.environment.toString", null],
    ["resources.web-server.environment", null],
    ["resources.scan-server.needs", ["scanner"]],
    ["resources.data.subgroups.above.members.1/1.path", "/dev/disk/by-id/wwn-0x5000c500a1b2c301"],
    ["policies.failback", "controlled"],
    ["policies.quarantineS", 7_200],
    ["policies", { failback: "controlled", failbackAfterS: 900, restartsMax: 2 }],
    ["users.bob", { role: "viewer" }],
    ["hosts.backup.access.volume-1.mode", "read-only"],
  ];
  for (const [path, value] of cases) assert.equal(valueAtPath(path, example, { secrets: false }), { value }, path);
  const all = valueAtPath("", example, { secrets: false }) as { value: object };
  assert.ok("cards" in all.value && "hosts" in all.value);
});

test("a path that leads nowhere says where it might have", () => {
  const cases: readonly (readonly [path: string, mistake: string])[] = [
    ["card", '"card" is no section; did you mean cards?'],
    ["zebra.x", '"zebra" is no section; there are system, chassis, cards'],
    ["__proto__.x", '"__proto__" is no section'],
    ["links", '"links" is no section'],
    ["audit", '"audit" is no section'],
    [".", '"" is no section'],
    ["cards.1/9", '"1/9" is no id in cards, must be a chassis and a slot, such as 1/2'],
    ["cards.2/3", "there is no 2/3 in cards; did you mean 2/1?"],
    ["cards.1/2.nam", '"nam" is no column of cards; did you mean name?'],
    ["cards.1/2.chassis", '"chassis" is no column of cards; there are links, portGroups, name, enabled'],
    ["cards.1/2.name.first", 'cards.1/2.name is a single value, and has no "first"'],
    ["cards.1/2.links.pubic.mtu", "there is no 1/2/pubic in links; did you mean 1/2/public?"],
    ["policies.failbak", '"failbak" is no setting; did you mean failback?'],
    ["policies.failback.x", 'policies.failback is a single value, and has no "x"'],
    ["resources.scan-server.environment.A.B", "is a single value"],
    ["tokens.monitoring.sha256", "tokens.monitoring.sha256 is a secret, and is not shown"],
  ];
  for (const [path, mistake] of cases) {
    const value = valueAtPath(path, example, { secrets: false });
    assert.ok(isPathMistake(value) && value.mistake.includes(mistake), `${path}\n  said: ${JSON.stringify(value)}\n  not:  ${mistake}`);
  }
});

test("a path is given a value as a shell can write it", () => {
  const cases: readonly (readonly [path: string, text: string, step: string])[] = [
    ["cards.1/2.name", "right", 'cards: change 1/2: name "upper-right" -> "right"'],
    ["cards.1/2.name", "upper-right", ""],
    ["cards.1/2.name", "", 'cards.1/2.name is "", must be a line of text of 1 to 32 bytes'],
    ["cards.1/2.capacity", "50", "cards: change 1/2: capacity 100 -> 50"],
    ["cards.1/2.capacity", "5O", 'cards.1/2.capacity is "5O", must be a whole number from 0 to 1000'],
    ["cards.1/2.capacity", "1e2", "must be a whole number"],
    ["cards.1/2.capacity", "1001", 'cards.1/2.capacity is "1001", must be a whole number from 0 to 1000'],
    ["cards.1/2.enabled", "off", "cards: change 1/2: enabled true -> false"],
    ["cards.1/2.enabled", "maybe", 'cards.1/2.enabled is "maybe", must be true or false'],
    ["cards.1/3.name", "x", "there is no 1/3 in cards; did you mean 1/1?"],
    ["exports.volume-1.mode", "active-pasive", "must be one of active-active, active-passive; did you mean active-passive?"],
    ["policies.failback", "automatic", 'policies: change failback: value "controlled" -> "automatic"'],
    ["policies.failback", "x", 'policies failback is "x", must be one of controlled, automatic'],
    ["policies.quarantineS", "60", "policies: make quarantineS: value 60"],
    ["policies.quarantineS", "1h", 'policies.quarantineS is "1h", must be a whole number from 0 to 604800 (seconds)'],
    ["resources.scan-server.environment.B", "2", 'environment {"SCANNER_MODE":"duplex"} -> {"B":"2","SCANNER_MODE":"duplex"}'],
    ["resources.scan-server.environment.B C", "2", "each key is the name of a variable"],
    ["resources.scan-server.environment", "A=1,B=x=y", '-> {"A":"1","B":"x=y"}'],
    ["resources.scan-server.environment", "A", 'is "A", must be an object of at most 32 texts'],
    ["resources.scan-server.start", "/bin/a -v -v", '-> ["/bin/a","-v","-v"]'],
    ["resources.scan-server.start", '["/bin/a", "b c"]', '-> ["/bin/a","b c"]'],
    ["resources.web-server.needs", "web-ip,files-ip", "dependencies: make web-server/files-ip"],
    ["resources.web-server.needs", "[]", "dependencies: remove web-server/web-ip"],
    ["services.intranet.preferred", "1/1, 2/2", 'preferred ["1/2","2/1"] -> ["1/1","2/2"]'],
    ["services.intranet.preferred", "1/1,1/1", "must be a list of 1 to 64 different texts"],
    ["cards.1/3", "{}", "cards: make 1/3"],
    [
      "cards.1/3",
      '{ "name": "n", "links": { "a": { "kind": "ether", "interface": "eth9" } } }',
      'cards: make 1/3: name "n"; links: make 1/3/a: kind "ether", interface "eth9"',
    ],
    ["cards.1/3", "{", "cards.1/3 must be JSON, such as '{}': at 1:2 found the end of the file"],
    ["cards.1/3", '{ "nam": 1 }', 'cards 1/3: "nam" is nothing that it has; did you mean name?'],
    ["failoverSets.upper.members", '{ "1/1": { "rank": 1 } }', "setMembers: remove upper/1/2"],
    ["failoverSets.nobody.members", "{}", "there is no nobody in failoverSets"],
    ["failoverSets.upper.members.2/1", "{}", 'setMembers: make upper/2/1: card "2/1"'],
    ["", "{}", "the whole document is set with `cardinal config apply FILE`"],
  ];
  for (const [path, text, step] of cases) {
    const said = told(settingAtPath(path, text, example, 1));
    assert.ok(step === "" ? said === "" : said.includes(step), `${path} ${text}\n  said: ${said}\n  not:  ${step}`);
  }
  assert.equal((settingAtPath("cards.1/2.name", "x", example, 1) as DocumentPlan).operations, [put("cards", "1/2", { name: "x" })]);
});

test("what stands at a path is taken away, with what belongs to it", () => {
  const cases: readonly (readonly [path: string, step: string])[] = [
    ["cards.2/2", "cards: remove 2/2; links: remove 2/2/private; links: remove 2/2/public"],
    ["cards.2/2.capacity", "cards: change 2/2: capacity 50 -> 100"],
    ["cards.2/2.name", 'cards: change 2/2: name "lower-right" -> none'],
    ["cards.1/1.note", ""],
    ["cards.3/3", "there is no 3/3 in cards"],
    ["hosts.db-1", "hosts: remove db-1; hostAccess: remove db-1/volume-1"],
    ["hosts.db-1.access", "hostAccess: remove db-1/volume-1"],
    ["policies", "policies: remove failback; policies: remove failbackAfterS; policies: remove restartsMax"],
    ["policies.failback", "policies: remove failback"],
    ["resources.scan-server.environment.SCANNER_MODE", 'resources: change scan-server: environment {"SCANNER_MODE":"duplex"} -> none'],
    ["resources.scan-server.needs.scanner", "dependencies: remove scan-server/scanner"],
    ["", "the whole configuration cannot be taken away"],
  ];
  for (const [path, step] of cases) {
    const said = told(unsettingAtPath(path, example));
    assert.ok(step === "" ? said === "" : said.includes(step), `${path}\n  said: ${said}\n  not:  ${step}`);
  }
});

test("what a path means, for help", () => {
  assert.equal(meaningOfPath("cards.1/2.capacity"), {
    about: "How much it can serve, in the unit of the services' weights.",
    right: "a whole number from 0 to 1000",
    default: 100,
    since: 1,
  });
  assert.is((meaningOfPath("policies.failback") as PathMeaning).right, "one of controlled, automatic");
  assert.match(
    (meaningOfPath("cards") as PathMeaning).right,
    /^rows by their ids\. The chassis and the slot\. It is a chassis and a slot, such as 1\/2$/,
  );
  assert.match((meaningOfPath("cards.1/2") as PathMeaning).right, /^an object of links, portGroups, name, enabled/);
  assert.is((meaningOfPath("resources.a.environment.B") as PathMeaning).right, "a line of text of 1 to 256 bytes");
  assert.match((meaningOfPath("") as PathMeaning).right, /system, chassis, cards/);
  assert.ok(isPathMistake(meaningOfPath("cards.1/2.colour")));
});

test("what a path may go on as, for completion", () => {
  const cases: readonly (readonly [typed: string, paths: readonly string[]])[] = [
    ["c", ["cards", "chassis"]],
    ["cards.", ["cards.1/1", "cards.1/2", "cards.2/1", "cards.2/2"]],
    ["cards.1/1.c", ["cards.1/1.capacity"]],
    ["cards.1/1.links.p", ["cards.1/1.links.private", "cards.1/1.links.public"]],
    ["policies.quar", ["policies.quarantineS"]],
    ["resources.scan-server.environment.", ["resources.scan-server.environment.SCANNER_MODE"]],
    ["failoverSets.upper.members.1", ["failoverSets.upper.members.1/1", "failoverSets.upper.members.1/2"]],
    ["nothing.", []],
    ["policies.failback.", []],
  ];
  for (const [typed, paths] of cases) assert.equal(completionsOfPath(typed, example), paths, typed);
});

test("what paths set and take away is a wish as any other", () => {
  const tables = example.copy();
  const changes: readonly DocumentPlan[] = [
    settingAtPath("cards.2/3", '{ "links": { "public": { "kind": "ether", "interface": "eth0" } } }', tables, context.level),
    settingAtPath("failoverSets.lower.members.2/2", '{ "rank": 9 }', tables, context.level),
    settingAtPath("resources.scan-server.environment.A", "b", tables, context.level),
    unsettingAtPath("hosts", tables),
    unsettingAtPath("exports.volume-1", tables),
  ] as DocumentPlan[];
  for (const { operations } of changes) assert.is(tables.change(operations), undefined);
  assert.equal(tableFindings(tables, 1), []);
});

test.run();
