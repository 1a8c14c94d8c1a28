/**
 * How a database gets from one level to the next. A migration that has been released is never edited. They are modules with text, not `.sql`
 * files, so that Node, Deno and the bundler of the single binary load them alike.
 *
 * What every migration keeps to, because changes travel as SQLite changesets:
 * - each configured table is STRICT and WITHOUT ROWID with the text primary key `id`, so that equal rows are equal bytes;
 * - foreign keys are DEFERRABLE INITIALLY DEFERRED: the rows of a changeset come in an order of its own;
 * - nothing but the primary key is UNIQUE and there is no CHECK: two rows may exchange their values in one change, and what is right is
 *   proven once, by `validate`, with messages for people;
 * - a column is indexed when it refers to another table or is the first of those that are unique together;
 * - a new column is last in its table and may be null, as ALTER TABLE wants it.
 */
import { sql as configuration } from "./0001-configuration.ts";

export type Migration = { readonly level: number; readonly name: string; readonly sql: string };

/** In order; the level of a migration is its place, from 1. */
export const migrations: readonly Migration[] = [
  { level: 1, name: "0001-configuration", sql: configuration },
];

/** The highest level that this software stores. */
export const levelMax: number = migrations.length;
