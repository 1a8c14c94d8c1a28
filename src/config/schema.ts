/**
 * The tables of the configuration for typed queries, as the migrations of the highest level leave them. What their values mean and which are
 * right is in `tables.ts`. Flags are 0 and 1 and lists JSON text here too, so that a row is the same wherever it is seen.
 */
import { type AnySQLiteColumn, blob, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { TableName } from "./rules.ts";

export const system = sqliteTable("system", {
  id: text().primaryKey().notNull(),
  name: text().notNull(),
  location: text(),
  contact: text(),
  note: text(),
});

export const chassis = sqliteTable("chassis", {
  id: text().primaryKey().notNull(),
  kind: text().notNull(),
  name: text(),
  model: text(),
  serialNumber: text(),
  note: text(),
}, (table) => [
  index("chassis_name").on(table.name),
]);

export const cards = sqliteTable("cards", {
  id: text().primaryKey().notNull(),
  chassis: text().notNull().references(() => chassis.id),
  name: text(),
  enabled: integer().notNull(),
  capacity: integer().notNull(),
  model: text(),
  note: text(),
}, (table) => [
  index("cards_chassis").on(table.chassis),
  index("cards_name").on(table.name),
]);

export const links = sqliteTable("links", {
  id: text().primaryKey().notNull(),
  card: text().notNull().references(() => cards.id),
  kind: text().notNull(),
  interface: text(),
  mtu: integer(),
  device: text(),
  baud: integer(),
  note: text(),
}, (table) => [
  index("links_card").on(table.card),
]);

export const portGroups = sqliteTable("portGroups", {
  id: text().primaryKey().notNull(),
  card: text().notNull().references(() => cards.id),
  interfaces: text().notNull(),
  note: text(),
}, (table) => [
  index("portGroups_card").on(table.card),
]);

export const failoverSets = sqliteTable("failoverSets", {
  id: text().primaryKey().notNull(),
  composition: text().notNull(),
  failback: text(),
  cardModels: text(),
  softwareMin: text(),
  note: text(),
});

export const setMembers = sqliteTable("setMembers", {
  id: text().primaryKey().notNull(),
  set: text().notNull().references(() => failoverSets.id),
  card: text().references(() => cards.id),
  memberSet: text().references(() => failoverSets.id),
  portGroup: text().references(() => portGroups.id),
  device: text().references(() => resources.id),
  rank: integer().notNull(),
  spare: integer().notNull(),
  note: text(),
}, (table) => [
  index("setMembers_set").on(table.set),
  index("setMembers_card").on(table.card),
  index("setMembers_memberSet").on(table.memberSet),
  index("setMembers_portGroup").on(table.portGroup),
  index("setMembers_device").on(table.device),
]);

export const services = sqliteTable("services", {
  id: text().primaryKey().notNull(),
  set: text().notNull().references(() => failoverSets.id),
  enabled: integer().notNull(),
  weight: integer().notNull(),
  priority: integer().notNull(),
  preferred: text(),
  together: text(),
  apart: text(),
  note: text(),
}, (table) => [
  index("services_set").on(table.set),
]);

export const resources = sqliteTable("resources", {
  id: text().primaryKey().notNull(),
  kind: text().notNull(),
  service: text().references(() => services.id),
  blockBytes: integer(),
  address: text(),
  prefix: integer(),
  interface: text(),
  device: text().references((): AnySQLiteColumn => resources.id),
  mountPoint: text(),
  filesystem: text(),
  mountOptions: text(),
  check: text(),
  agent: text(),
  start: text(),
  stop: text(),
  monitor: text(),
  provider: text(),
  type: text(),
  parameters: text(),
  unit: text(),
  environment: text(),
  critical: integer(),
  standby: text(),
  monitorPeriodS: integer(),
  startS: integer().notNull(),
  stopS: integer().notNull(),
  note: text(),
}, (table) => [
  index("resources_service").on(table.service),
  index("resources_address").on(table.address),
  index("resources_device").on(table.device),
  index("resources_mountPoint").on(table.mountPoint),
]);

export const dependencies = sqliteTable("dependencies", {
  id: text().primaryKey().notNull(),
  resource: text().notNull().references(() => resources.id),
  needs: text().notNull().references(() => resources.id),
}, (table) => [
  index("dependencies_resource").on(table.resource),
  index("dependencies_needs").on(table.needs),
]);

export const subgroups = sqliteTable("subgroups", {
  id: text().primaryKey().notNull(),
  resource: text().notNull().references(() => resources.id),
  role: text().notNull(),
  note: text(),
}, (table) => [
  index("subgroups_resource").on(table.resource),
]);

export const subgroupMembers = sqliteTable("subgroupMembers", {
  id: text().primaryKey().notNull(),
  subgroup: text().notNull().references(() => subgroups.id),
  card: text().notNull().references(() => cards.id),
  path: text().notNull(),
  note: text(),
}, (table) => [
  index("subgroupMembers_subgroup").on(table.subgroup),
  index("subgroupMembers_card").on(table.card),
  index("subgroupMembers_path").on(table.path),
]);

export const deviceExports = sqliteTable("exports", {
  id: text().primaryKey().notNull(),
  device: text().notNull().references(() => resources.id),
  protocol: text().notNull(),
  target: text(),
  mode: text(),
  pathPolicy: text(),
  readOnly: integer().notNull(),
  note: text(),
}, (table) => [
  index("exports_device").on(table.device),
  index("exports_target").on(table.target),
]);

export const exportPaths = sqliteTable("exportPaths", {
  id: text().primaryKey().notNull(),
  export: text().notNull().references(() => deviceExports.id),
  card: text().notNull().references(() => cards.id),
  portGroup: text().references(() => portGroups.id),
  address: text(),
  port: integer(),
  preference: text().notNull(),
  weight: integer().notNull(),
  note: text(),
}, (table) => [
  index("exportPaths_export").on(table.export),
  index("exportPaths_card").on(table.card),
  index("exportPaths_portGroup").on(table.portGroup),
]);

export const hosts = sqliteTable("hosts", {
  id: text().primaryKey().notNull(),
  initiator: text(),
  addresses: text(),
  note: text(),
}, (table) => [
  index("hosts_initiator").on(table.initiator),
]);

export const hostAccess = sqliteTable("hostAccess", {
  id: text().primaryKey().notNull(),
  host: text().notNull().references(() => hosts.id),
  export: text().notNull().references(() => deviceExports.id),
  mode: text().notNull(),
  lun: integer(),
  note: text(),
}, (table) => [
  index("hostAccess_host").on(table.host),
  index("hostAccess_export").on(table.export),
]);

export const policies = sqliteTable("policies", {
  id: text().primaryKey().notNull(),
  value: text().notNull(),
});

export const users = sqliteTable("users", {
  id: text().primaryKey().notNull(),
  role: text().notNull(),
  fullName: text(),
  password: text(),
  enabled: integer().notNull(),
  note: text(),
}, (table) => [
  index("users_role").on(table.role),
]);

export const tokens = sqliteTable("tokens", {
  id: text().primaryKey().notNull(),
  role: text().notNull(),
  user: text().references(() => users.id),
  sha256: text().notNull(),
  expiresAt: integer(),
  enabled: integer().notNull(),
  note: text(),
}, (table) => [
  index("tokens_role").on(table.role),
  index("tokens_user").on(table.user),
  index("tokens_sha256").on(table.sha256),
]);

export const audit = sqliteTable("audit", {
  id: text().primaryKey().notNull(),
  at: integer().notNull(),
  card: text().notNull(),
  author: text().notNull(),
  comment: text(),
  what: text().notNull(),
});

/** The chain, and the one table that no wish and no changeset touches: a store writes it as it commits. */
export const changes = sqliteTable("changes", {
  sequence: integer().primaryKey().notNull(),
  epoch: integer().notNull(),
  hash: blob({ mode: "buffer" }).notNull(),
  previous: blob({ mode: "buffer" }).notNull(),
  kind: text().notNull(),
  author: text().notNull(),
  comment: text().notNull(),
  key: text().notNull(),
  card: integer().notNull(),
  time: integer().notNull(),
  changeset: blob({ mode: "buffer" }).notNull(),
}, (table) => [index("changes_key").on(table.author, table.key)]);

export const schema = {
  system,
  chassis,
  cards,
  links,
  portGroups,
  failoverSets,
  setMembers,
  services,
  resources,
  dependencies,
  subgroups,
  subgroupMembers,
  exports: deviceExports,
  exportPaths,
  hosts,
  hostAccess,
  policies,
  users,
  tokens,
  audit,
} as const satisfies Readonly<Record<TableName, unknown>>;
