/** Level 1: the configuration as it began. */
export const sql = /* sql */ `
CREATE TABLE "system" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "name" TEXT NOT NULL,
  "location" TEXT,
  "contact" TEXT,
  "note" TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE "chassis" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "name" TEXT,
  "model" TEXT,
  "serialNumber" TEXT,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "chassis_name" ON "chassis" ("name");

CREATE TABLE "cards" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "chassis" TEXT NOT NULL REFERENCES "chassis" ("id") DEFERRABLE INITIALLY DEFERRED,
  "name" TEXT,
  "enabled" INTEGER NOT NULL,
  "capacity" INTEGER NOT NULL,
  "model" TEXT,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "cards_chassis" ON "cards" ("chassis");
CREATE INDEX "cards_name" ON "cards" ("name");

CREATE TABLE "links" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "card" TEXT NOT NULL REFERENCES "cards" ("id") DEFERRABLE INITIALLY DEFERRED,
  "kind" TEXT NOT NULL,
  "interface" TEXT,
  "mtu" INTEGER,
  "device" TEXT,
  "baud" INTEGER,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "links_card" ON "links" ("card");

CREATE TABLE "portGroups" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "card" TEXT NOT NULL REFERENCES "cards" ("id") DEFERRABLE INITIALLY DEFERRED,
  "interfaces" TEXT NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "portGroups_card" ON "portGroups" ("card");

CREATE TABLE "failoverSets" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "composition" TEXT NOT NULL,
  "failback" TEXT,
  "cardModels" TEXT,
  "softwareMin" TEXT,
  "note" TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE "setMembers" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "set" TEXT NOT NULL REFERENCES "failoverSets" ("id") DEFERRABLE INITIALLY DEFERRED,
  "card" TEXT REFERENCES "cards" ("id") DEFERRABLE INITIALLY DEFERRED,
  "memberSet" TEXT REFERENCES "failoverSets" ("id") DEFERRABLE INITIALLY DEFERRED,
  "portGroup" TEXT REFERENCES "portGroups" ("id") DEFERRABLE INITIALLY DEFERRED,
  "device" TEXT REFERENCES "resources" ("id") DEFERRABLE INITIALLY DEFERRED,
  "rank" INTEGER NOT NULL,
  "spare" INTEGER NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "setMembers_set" ON "setMembers" ("set");
CREATE INDEX "setMembers_card" ON "setMembers" ("card");
CREATE INDEX "setMembers_memberSet" ON "setMembers" ("memberSet");
CREATE INDEX "setMembers_portGroup" ON "setMembers" ("portGroup");
CREATE INDEX "setMembers_device" ON "setMembers" ("device");

CREATE TABLE "services" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "set" TEXT NOT NULL REFERENCES "failoverSets" ("id") DEFERRABLE INITIALLY DEFERRED,
  "enabled" INTEGER NOT NULL,
  "weight" INTEGER NOT NULL,
  "priority" INTEGER NOT NULL,
  "preferred" TEXT,
  "together" TEXT,
  "apart" TEXT,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "services_set" ON "services" ("set");

CREATE TABLE "resources" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "kind" TEXT NOT NULL,
  "service" TEXT REFERENCES "services" ("id") DEFERRABLE INITIALLY DEFERRED,
  "blockBytes" INTEGER,
  "address" TEXT,
  "prefix" INTEGER,
  "interface" TEXT,
  "device" TEXT REFERENCES "resources" ("id") DEFERRABLE INITIALLY DEFERRED,
  "mountPoint" TEXT,
  "filesystem" TEXT,
  "mountOptions" TEXT,
  "check" TEXT,
  "agent" TEXT,
  "start" TEXT,
  "stop" TEXT,
  "monitor" TEXT,
  "provider" TEXT,
  "type" TEXT,
  "parameters" TEXT,
  "unit" TEXT,
  "environment" TEXT,
  "critical" INTEGER,
  "standby" TEXT,
  "monitorPeriodS" INTEGER,
  "startS" INTEGER NOT NULL,
  "stopS" INTEGER NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "resources_service" ON "resources" ("service");
CREATE INDEX "resources_address" ON "resources" ("address");
CREATE INDEX "resources_device" ON "resources" ("device");
CREATE INDEX "resources_mountPoint" ON "resources" ("mountPoint");

CREATE TABLE "dependencies" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "resource" TEXT NOT NULL REFERENCES "resources" ("id") DEFERRABLE INITIALLY DEFERRED,
  "needs" TEXT NOT NULL REFERENCES "resources" ("id") DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX "dependencies_resource" ON "dependencies" ("resource");
CREATE INDEX "dependencies_needs" ON "dependencies" ("needs");

CREATE TABLE "subgroups" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "resource" TEXT NOT NULL REFERENCES "resources" ("id") DEFERRABLE INITIALLY DEFERRED,
  "role" TEXT NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "subgroups_resource" ON "subgroups" ("resource");

CREATE TABLE "subgroupMembers" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "subgroup" TEXT NOT NULL REFERENCES "subgroups" ("id") DEFERRABLE INITIALLY DEFERRED,
  "card" TEXT NOT NULL REFERENCES "cards" ("id") DEFERRABLE INITIALLY DEFERRED,
  "path" TEXT NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "subgroupMembers_subgroup" ON "subgroupMembers" ("subgroup");
CREATE INDEX "subgroupMembers_card" ON "subgroupMembers" ("card");
CREATE INDEX "subgroupMembers_path" ON "subgroupMembers" ("path");

CREATE TABLE "exports" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "device" TEXT NOT NULL REFERENCES "resources" ("id") DEFERRABLE INITIALLY DEFERRED,
  "protocol" TEXT NOT NULL,
  "target" TEXT,
  "mode" TEXT,
  "pathPolicy" TEXT,
  "readOnly" INTEGER NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "exports_device" ON "exports" ("device");
CREATE INDEX "exports_target" ON "exports" ("target");

CREATE TABLE "exportPaths" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "export" TEXT NOT NULL REFERENCES "exports" ("id") DEFERRABLE INITIALLY DEFERRED,
  "card" TEXT NOT NULL REFERENCES "cards" ("id") DEFERRABLE INITIALLY DEFERRED,
  "portGroup" TEXT REFERENCES "portGroups" ("id") DEFERRABLE INITIALLY DEFERRED,
  "address" TEXT,
  "port" INTEGER,
  "preference" TEXT NOT NULL,
  "weight" INTEGER NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "exportPaths_export" ON "exportPaths" ("export");
CREATE INDEX "exportPaths_card" ON "exportPaths" ("card");
CREATE INDEX "exportPaths_portGroup" ON "exportPaths" ("portGroup");

CREATE TABLE "hosts" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "initiator" TEXT,
  "addresses" TEXT,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "hosts_initiator" ON "hosts" ("initiator");

CREATE TABLE "hostAccess" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "host" TEXT NOT NULL REFERENCES "hosts" ("id") DEFERRABLE INITIALLY DEFERRED,
  "export" TEXT NOT NULL REFERENCES "exports" ("id") DEFERRABLE INITIALLY DEFERRED,
  "mode" TEXT NOT NULL,
  "lun" INTEGER,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "hostAccess_host" ON "hostAccess" ("host");
CREATE INDEX "hostAccess_export" ON "hostAccess" ("export");

CREATE TABLE "policies" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "value" TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE "users" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "role" TEXT NOT NULL,
  "fullName" TEXT,
  "password" TEXT,
  "enabled" INTEGER NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "users_role" ON "users" ("role");

CREATE TABLE "tokens" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "role" TEXT NOT NULL,
  "user" TEXT REFERENCES "users" ("id") DEFERRABLE INITIALLY DEFERRED,
  "sha256" TEXT NOT NULL,
  "expiresAt" INTEGER,
  "enabled" INTEGER NOT NULL,
  "note" TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX "tokens_role" ON "tokens" ("role");
CREATE INDEX "tokens_user" ON "tokens" ("user");
CREATE INDEX "tokens_sha256" ON "tokens" ("sha256");

CREATE TABLE "audit" (
  "id" TEXT NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL,
  "card" TEXT NOT NULL,
  "author" TEXT NOT NULL,
  "comment" TEXT,
  "what" TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE "changes" (
  "sequence" INTEGER NOT NULL PRIMARY KEY,
  "epoch" INTEGER NOT NULL,
  "hash" BLOB NOT NULL,
  "previous" BLOB NOT NULL,
  "kind" TEXT NOT NULL,
  "author" TEXT NOT NULL,
  "comment" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  "card" INTEGER NOT NULL,
  "time" INTEGER NOT NULL,
  "changeset" BLOB NOT NULL
) STRICT;
CREATE INDEX "changes_key" ON "changes" ("author", "key") WHERE "key" <> '';
`;
