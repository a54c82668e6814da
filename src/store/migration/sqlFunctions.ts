// The compiler of a program that uses this one as a library finds the declaration of `*.sql` only by this reference.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="../sql.d.ts" />
import { createHash } from "node:crypto";
import type { ISql, PendingQuery, Row } from "postgres";
import foldCounters from "../sql/events/fold_counters.sql" with { type: "text" };
import makeRefusedStale from "../sql/events/make_refused_stale.sql" with { type: "text" };
import rollUpCounters from "../sql/events/roll_up_counters.sql" with { type: "text" };
import settleDeliveries from "../sql/events/settle_deliveries.sql" with { type: "text" };
import handOverMentorados from "../sql/links/hand_over_mentorados.sql" with { type: "text" };
import linkMentorados from "../sql/links/link_mentorados.sql" with { type: "text" };
import listConflicts from "../sql/links/list_conflicts.sql" with { type: "text" };
import resolveLink from "../sql/links/resolve_link.sql" with { type: "text" };
import unlinkMentorado from "../sql/links/unlink_mentorado.sql" with { type: "text" };
import rehearse from "../sql/rehearsal/rehearse.sql" with { type: "text" };
import rules from "../sql/rules.sql" with { type: "text" };
import applyRunPage from "../sql/runs/apply_run_page.sql" with { type: "text" };
import listLinkableUsers from "../sql/runs/list_linkable_users.sql" with { type: "text" };
import listUnseenUsers from "../sql/runs/list_unseen_users.sql" with { type: "text" };
import openRun from "../sql/runs/open_run.sql" with { type: "text" };
import userFigures from "../sql/status/user_figures.sql" with { type: "text" };
import applyAndReport from "../sql/users/apply_and_report.sql" with { type: "text" };
import applyChanges from "../sql/users/apply_changes.sql" with { type: "text" };
import applyDeletions from "../sql/users/apply_deletions.sql" with { type: "text" };
import applyUpserts from "../sql/users/apply_upserts.sql" with { type: "text" };
import applyUserChanges from "../sql/users/apply_user_changes.sql" with { type: "text" };
import cancelSlowBatch from "../sql/users/cancel_slow_batch.sql" with { type: "text" };
import findLocked from "../sql/users/find_locked.sql" with { type: "text" };
import releaseAddresses from "../sql/users/release_addresses.sql" with { type: "text" };
import userState from "../sql/users/user_state.sql" with { type: "text" };
import { version } from "../../version.ts";
import { migrationTexts } from "./migrationFiles.ts";

const program = "clerk-neon-sync";

/** In order of installation: a function comes after those that its body needs at creation. */
const functionTexts: readonly string[] = [
  rules,
  handOverMentorados,
  applyDeletions,
  applyUpserts,
  linkMentorados,
  foldCounters,
  rollUpCounters,
  settleDeliveries,
  makeRefusedStale,
  applyChanges,
  findLocked,
  releaseAddresses,
  applyUserChanges,
  cancelSlowBatch,
  userState,
  userFigures,
  applyAndReport,
  openRun,
  applyRunPage,
  listUnseenUsers,
  listLinkableUsers,
  listConflicts,
  resolveLink,
  unlinkMentorado,
  rehearse,
].map((text) =>
  // A name in a statement means the function's variable, even if the team's tables have a column of that name.
  text.replaceAll(/\blanguage plpgsql\b[^$]*\bas \$\$\n/g, "$&#variable_conflict use_variable\n"),
);

/** 48 bits: enough to distinguish the few versions in one database. */
const fingerprintChars = 12;

/**
 * Schema of this version's functions. Its name is a fingerprint of migrations and functions: two versions can run side by
 * side, and its presence means that the database is ready for this version.
 */
export const functionsSchema = `clerk_sync_${toFingerprint([...Object.values(migrationTexts), ...functionTexts])}`;

/** The functions' `clock()` (see rules.sql) as a subquery, so that the planner can use an index on the compared column. */
export function databaseNow(sql: ISql): PendingQuery<Row[]> {
  return sql`(select ${sql(functionsSchema)}.clock())`;
}

function toFingerprint(texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, fingerprintChars);
}

/** JSON in the comment of a functions schema. */
interface SchemaComment {
  readonly program: string;
  readonly version: string;
  /** ISO 8601, UTC. */
  readonly installedAt: string;
}

interface InstalledSchema extends SchemaComment {
  readonly name: string;
}

/** Whether this version's functions are installed. */
export async function hasFunctions(sql: ISql): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`select to_regnamespace(${functionsSchema}) is not null as found`;
  return row?.found ?? false;
}

/**
 * Statements that install this version's functions and drop those of older versions, except the newest of them, which
 * copies of a rolling update still use. If a newer version is installed, nothing is dropped.
 * @returns none if the functions are installed
 */
export async function planFunctions(sql: ISql): Promise<string[]> {
  if (await hasFunctions(sql)) return [];
  const others = await listInstalledSchemas(sql);
  const isNewerInstalled = others.some((other) => compareVersions(other.version, version) > 0);
  const unused = isNewerInstalled ? [] : others.slice(1);
  const comment: SchemaComment = {
    program,
    version,
    installedAt: new Date().toISOString(),
  };
  return [
    ...unused.map(({ name }) => `drop schema ${name} cascade`),
    `create schema ${functionsSchema}`,
    ...functionTexts.map((text) => text.replaceAll(/\bclerk_sync\./g, `${functionsSchema}.`)),
    // The functions run with the rights of their caller, so everyone may call them.
    `grant usage on schema ${functionsSchema} to public`,
    `grant execute on all functions in schema ${functionsSchema} to public`,
    `comment on schema ${functionsSchema} is '${JSON.stringify(comment)}'`,
  ];
}

/** Function schemas of other versions, newest first. */
async function listInstalledSchemas(sql: ISql): Promise<InstalledSchema[]> {
  const rows = await sql<{ name: string; comment: string | null }[]>`
    select nspname as name, obj_description(oid, 'pg_namespace') as comment from pg_namespace
    where nspname ~ '^clerk_sync_[0-9a-f]{12}$' and nspname <> ${functionsSchema}`;
  return rows
    .flatMap(({ name, comment }) => {
      const parsed = parseComment(comment);
      return parsed ? [{ name, ...parsed }] : [];
    })
    .sort(
      (one, other) => compareVersions(other.version, one.version) || other.installedAt.localeCompare(one.installedAt),
    );
}

/** Null if the schema is not this program's. */
function parseComment(text: string | null): SchemaComment | null {
  if (!text?.startsWith(`{"program":"${program}"`)) return null;
  return JSON.parse(text) as SchemaComment;
}

/** Compares versions such as 1.2.3; positive: `one` is newer. */
function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
