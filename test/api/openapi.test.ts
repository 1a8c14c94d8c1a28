import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { createApp, openApiDocument } from "../../src/api/app.ts";
import { configurationResources } from "../../src/api/configuration.ts";
import { failoverResources } from "../../src/api/failover.ts";
import { exampleStatus } from "../../src/api/example.ts";
import {
  failoverSchema,
  oneSetSchema,
  orderedSchema,
  readinessSchema,
  recordSchema,
  recordsSchema,
  setsSchema,
} from "../../src/api/failover-schema.ts";
import { templateOf } from "../../src/api/resource.ts";
import { statusSchema } from "../../src/api/schema.ts";
import { cardAt, type CardId, type LinkKind, linkKinds } from "../../src/base/ids.ts";
import { Node } from "../../src/node/node.ts";
import type { NodeSettings } from "../../src/node/settings.ts";
import type { CardStatus } from "../../src/node/status.ts";
import { FailoverStandIn } from "./failover-stand-in.ts";
import { StandIn, standInApp } from "./stand-in.ts";
import { alone, confirmed, stoppedGroups, torn, twoGroups, withoutQuorum } from "../console/sample.ts";

type Json = { readonly $ref?: string; readonly properties?: Readonly<Record<string, Json>> };
type Media = { readonly schema: Json; readonly example?: unknown; readonly examples?: unknown };
type Operation = {
  readonly operationId: string;
  readonly security?: unknown;
  readonly responses: Record<string, { description: string; content?: Record<string, Media> }>;
};
type Document = {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Json> };
};

const document = (await openApiDocument()) as Document;

const validators = new Map<string, z.ZodType>();

/** A validator of a schema of the document, made of the document alone. */
function validatorOf(schema: Json): z.ZodType {
  const local = JSON.stringify({ ...schema, $defs: document.components.schemas }).replaceAll("#/components/schemas/", "#/$defs/");
  const validator = validators.get(local) ?? z.fromJSONSchema(JSON.parse(local));
  validators.set(local, validator);
  return validator;
}

function operations(): [path: string, method: string, operation: Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [path, method, operation])
  );
}

const settings: NodeSettings = {
  ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
  serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
  baud: 115_200,
  expected: [cardAt(1, 1), cardAt(1, 2), cardAt(1, 3)],
  disabled: [],
  witness: false,
  redundantLinks: true,
};

/** The status of a card that knows a verified peer, lost its serial line for a while, and misses a third card. */
function realStatuses(): CardStatus[] {
  let now = 0;
  const nodes = [cardAt(1, 1), cardAt(1, 2)].map((card) => {
    const uid = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, card);
    const identity = {
      system: 1,
      card,
      incarnation: 100,
      uid,
      name: `card-${card}`,
      nonce: 1_000 + card,
      software: "test",
      reservedView: 0,
    };
    return { card, node: new Node(identity, settings, now) };
  });
  const cut = new Set<LinkKind>();
  const feed = (card: CardId, input: Parameters<Node["step"]>[1]): void => {
    const seat = nodes.find((seat) => seat.card === card);
    for (const effect of seat?.node.step(now, input) ?? []) {
      if (effect.kind !== "send" || cut.has(effect.link)) continue;
      const { link, to, sequence, message } = effect;
      const frame = { system: 1, from: card, to, incarnation: 100, sequence, message };
      for (const other of nodes) if (other.card !== card) feed(other.card, { kind: "heard", link, frame });
    }
  };
  const run = (ms: number): void => {
    for (const end = now + ms; now < end; now += 10) {
      for (const { card, node } of nodes) if (node.deadline() <= now) feed(card, { kind: "tick" });
    }
  };
  const statuses: CardStatus[] = [];
  const look = (): void => {
    const [first] = nodes;
    if (first) statuses.push(JSON.parse(JSON.stringify({ ...exampleStatus, ...first.node.status(now) })));
  };
  look();
  for (const { card } of nodes) for (const link of linkKinds) feed(card, { kind: "portUp", link });
  run(2_000);
  look();
  cut.add("serial");
  run(15_000);
  feed(cardAt(1, 1), { kind: "malformed", link: "ether", reason: "tag" });
  look();
  feed(cardAt(1, 1), { kind: "leave", reason: "stop" });
  look();
  return statuses;
}

test("CARD-4: the status of real nodes is what the schema says, field by field, and nothing more", () => {
  const statuses = realStatuses();
  const [fresh, joined, cut, left] = statuses;
  assert.is(fresh?.peers.every((peer) => peer.health === "absent"), true);
  assert.is(joined?.peers[0]?.verified, true);
  assert.is(cut?.peers[0]?.links.serial?.health, "down");
  assert.ok((cut?.alarms.length ?? 0) > 0);
  assert.is(left?.state, "leaving");
  // The schema strips what it does not know, so that a field too many makes the two differ.
  for (const status of [...statuses, exampleStatus]) assert.equal(statusSchema.parse(status), status);
});

test("the document alone, without our schemas, takes the status of real nodes and refuses a wrong one", () => {
  const validator = validatorOf({ $ref: "#/components/schemas/CardStatus" });
  for (const status of realStatuses()) validator.parse(status);
  const wrong: readonly Partial<Record<keyof CardStatus, unknown>>[] = [
    { card: 0 },
    { card: 65 },
    { card: "1" },
    { state: "gone" },
    { uid: "xyz" },
    { uptimeMs: -1 },
    { peers: {} },
    { alarms: [{ code: "x" }] },
    { links: { ether: exampleStatus.links.ether } },
    { membership: { ...exampleStatus.membership, state: "sure" } },
    { membership: { ...exampleStatus.membership, ticks: [{ card: 1, ether: [0], serial: [] }] } },
    { groups: { ...exampleStatus.groups, state: "idle" } },
    { groups: { ...exampleStatus.groups, groups: [{ name: "x" }] } },
    { process: { ...exampleStatus.process, startedAt: "yesterday" } },
  ];
  for (const change of wrong) assert.not.ok(validator.safeParse({ ...exampleStatus, ...change }).success, JSON.stringify(change));
});

test("HA-5, HA-6: the document takes every membership and every group that the console shows", () => {
  for (const membership of [confirmed, torn, withoutQuorum, alone]) {
    assert.equal(validatorOf({ $ref: "#/components/schemas/Membership" }).parse(membership), membership);
  }
  for (const groups of [twoGroups, stoppedGroups]) {
    assert.equal(validatorOf({ $ref: "#/components/schemas/Groups" }).parse(groups), groups);
  }
});

test("the document is OpenAPI 3.1 and lists every path with its methods", () => {
  assert.match(document.openapi, /^3\.1\./);
  const reading = createApp({ status: () => exampleStatus }).routes.map(({ path }) => path).filter((path) => !path.includes("*"));
  const served = new Map(reading.map((path) => [path, ["get", "head"]]));
  served.set("/configuration", ["get", "head"]);
  served.set("/failover", ["get", "head"]);
  for (const resource of [...configurationResources(new StandIn()), ...failoverResources(new FailoverStandIn())]) {
    const methods = Object.keys(resource.methods).map((method) => method.toLowerCase());
    served.set(templateOf(resource), (methods.includes("get") ? [...methods, "head"] : methods).sort());
  }
  assert.equal(Object.keys(document.paths).sort(), [...served.keys()].sort());
  for (const [path, methods] of Object.entries(document.paths)) assert.equal(Object.keys(methods).sort(), served.get(path), path);
  const ids = operations().map(([, , { operationId }]) => operationId);
  assert.is(new Set(ids).size, ids.length, "operation ids are unique");
});

test("what is done with a token says so, and what is open does not", () => {
  for (const resource of [...configurationResources(new StandIn()), ...failoverResources(new FailoverStandIn())]) {
    for (const [method, { role }] of Object.entries(resource.methods)) {
      const described = document.paths[templateOf(resource)]?.[method.toLowerCase()];
      assert.is(described?.security !== undefined, role !== undefined, `${method} ${resource.path}`);
      assert.is(described?.responses["401"] !== undefined, role !== undefined, `${method} ${resource.path}`);
    }
  }
});

test("what the configuration's paths answer is what the document says of them", async () => {
  const { ask, source, token } = standInApp();
  source.branches = [{ id: "0a1b2c3d", setAsideAt: 1_000, changes: 3, since: 7 }];
  token("looker", { role: "viewer" });
  source.put("cards", { id: "1/2", chassis: "1", name: "left", enabled: 1 });
  const at = "/v1/configuration";
  const asked: readonly (readonly [string, string, string, unknown?, string?])[] = [
    ["GET", "", ""],
    ["GET", "/document", "/document"],
    ["PUT", "/document", "/document?plan=true", [{ kind: "put", table: "cards", row: { id: "1/2", name: "x" } }]],
    ["PUT", "/document", "/document", [{ kind: "put", table: "cards", row: { id: "1/2", name: "x" } }]],
    ["GET", "/values/{path}", "/values/cards.1%2F2.name"],
    ["PUT", "/values/{path}", "/values/cards.1%2F2.name", { text: "right" }],
    ["GET", "/tables", "/tables"],
    ["GET", "/tables/{table}", "/tables/tokens"],
    ["GET", "/tables/{table}/{id}", "/tables/cards/1%2F2"],
    ["GET", "/tables/{table}/{id}", "/tables/cards/1%2F9"],
    ["PUT", "/tables/{table}/{id}", "/tables/cards/1%2F2", { chassis: "1" }],
    ["PUT", "/tables/{table}/{id}", "/tables/cards/1%2F2", { chassis: 1 }],
    ["PATCH", "/tables/{table}/{id}", "/tables/cards/1%2F2", { name: "left" }],
    ["GET", "/history", "/history?rows=true&limit=1"],
    ["GET", "/branches", "/branches"],
    ["GET", "/branches/{branch}/diff", "/branches/0a1b2c3d/diff"],
    ["POST", "/branches/{branch}/merge", "/branches/0a1b2c3d/merge"],
    ["POST", "/branches/{branch}/merge", "/branches/0a1b2c3d/merge?prefer=chain&plan=true"],
    ["DELETE", "/branches/{branch}", "/branches/0a1b2c3d"],
    ["POST", "/check", "/check?repair=true"],
    ["POST", "/restore", "/restore?plan=true", "{}\n", "application/x-ndjson"],
    ["DELETE", "/tables/{table}/{id}", "/tables/cards/1%2F2"],
  ];
  for (const [method, path, url, body, type] of asked) {
    const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
    const response = await ask(method, at + url, { headers, ...(body === undefined ? {} : { body }) });
    const told = document.paths[at + path]?.[method.toLowerCase()]?.responses[response.status];
    const said = (response.headers.get("content-type") ?? "").split(";", 1)[0] as string;
    const schema = told?.content?.[said]?.schema;
    assert.ok(schema !== undefined, `${method} ${url} answers ${response.status} as ${said}`);
    const { success, error } = validatorOf(schema as Json).safeParse(await response.json());
    assert.ok(success, `${method} ${url} ${response.status}: ${error?.message}`);
  }
});

const failoverSchemas: Readonly<Record<string, z.ZodType>> = {
  "/v1/failover": failoverSchema,
  "/v1/sets": setsSchema,
  "/v1/sets/{set}": oneSetSchema,
  "/v1/readiness": readinessSchema,
  "/v1/failovers": recordsSchema,
  "/v1/failovers/{id}": recordSchema,
};

test("what failover's paths answer is what the document says of them, field by field", async () => {
  const failover = new FailoverStandIn();
  const { ask } = standInApp(undefined, failover);
  const said = async (method: string, path: string, url = path): Promise<void> => {
    const response = await ask(method, url);
    const type = (response.headers.get("content-type") ?? "").split(";", 1)[0] as string;
    const schema = document.paths[path]?.[method.toLowerCase()]?.responses[response.status]?.content?.[type]?.schema;
    assert.ok(schema !== undefined, `${method} ${url} answers ${response.status} as ${type}`);
    const body: unknown = await response.json();
    const { success, error } = validatorOf(schema as Json).safeParse(body);
    assert.ok(success, `${method} ${url} ${response.status}: ${error?.message}`);
    // The schema strips what it does not know, so that a field too many makes the two differ.
    if (response.status === 200) assert.equal((failoverSchemas[path] ?? orderedSchema).parse(body), body, `${method} ${url}`);
  };
  const reads = async (): Promise<void> => {
    for (const path of ["/v1/failover", "/v1/sets", "/v1/readiness", "/v1/failovers"]) await said("GET", path);
    await said("GET", "/v1/sets/{set}", "/v1/sets/db");
    await said("GET", "/v1/failovers/{id}", "/v1/failovers/1");
  };
  await reads();
  await said("POST", "/v1/sets/{set}/switch", "/v1/sets/db/switch?dryRun=true");
  await said("POST", "/v1/sets/{set}/switch", "/v1/sets/db/switch?comment=why");
  await reads();
  failover.world.run(8_000);
  await said("POST", "/v1/sets/{set}/failback", "/v1/sets/all/failback?service=b");
  await said("POST", "/v1/sets/{set}/lift-quarantine", "/v1/sets/nope/lift-quarantine");
  await said("POST", "/v1/cards/{card}/drain", "/v1/cards/3/drain?comment=a%20fan");
  await said("POST", "/v1/cards/{card}/maintenance", "/v1/cards/3/maintenance?on=true");
  await said("POST", "/v1/cards/{card}/lift-quarantine", "/v1/cards/9/lift-quarantine");
  await said("POST", "/v1/boot/proceed");
  failover.world.crash(failover.world.card(1));
  await reads();
  failover.world.run(8_000);
  await reads();
  await said("GET", "/v1/failovers/{id}", `/v1/failovers/${failover.status()?.records.at(-1)?.id}`);
  await said("POST", "/v1/cards/{card}/undrain", "/v1/cards/3/undrain");
  await said("POST", "/v1/cards/{card}/undrain", "/v1/cards/x/undrain");
  failover.world.cut(failover.host, "ether");
  failover.world.run(3_000);
  await said("POST", "/v1/boot/proceed");
  await reads();
});

test("each example of the document is valid against its schema", () => {
  let examples = 0;
  for (const [path, method, operation] of operations()) {
    for (const [status, { content }] of Object.entries(operation.responses)) {
      for (const [type, { schema, example }] of Object.entries(content ?? {})) {
        if (example === undefined) continue;
        examples++;
        const { success, error } = validatorOf(schema).safeParse(example);
        assert.ok(success, `${method} ${path} ${status} ${type}: ${error?.message}`);
      }
    }
  }
  assert.ok(examples >= 17, `${examples} examples`);
});

test("each reference of the document leads somewhere, and each schema is used", () => {
  const used = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  assert.equal([...new Set(used)].sort(), Object.keys(document.components.schemas).sort());
});

test("each field of the document says what it is, and each duration in which unit", () => {
  let fields = 0;
  const walk = (at: string, { properties = {} }: Json): void => {
    for (const [name, field] of Object.entries(properties)) {
      fields++;
      const text = JSON.stringify(field.$ref === undefined ? field : document.components.schemas[field.$ref.split("/").at(-1) ?? ""]);
      if (field.properties === undefined) assert.match(text, /"description":"[^"]{8,}/, `${at}.${name}`);
      if (name.endsWith("Ms")) assert.match(text, /milliseconds/, `${at}.${name}`);
      if (name.endsWith("Bytes")) assert.match(text, /bytes/, `${at}.${name}`);
      walk(`${at}.${name}`, field);
    }
  };
  for (const [name, schema] of Object.entries(document.components.schemas)) walk(name, schema);
  assert.ok(fields > 50, `${fields} fields`);
});

test("the document is of the version that it is asked for", async () => {
  assert.is((await openApiDocument("1.2.3") as { info: { version: string } }).info.version, "1.2.3");
});

test.run();
