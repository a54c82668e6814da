// Programs that use this one as a library do not come across the declaration otherwise, and there is nothing to import.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="../sql.d.ts" />
import { createHash } from "node:crypto";
import type { ISql, PendingQuery, Row } from "postgres";
import foldCounters from "../sql/events/fold_counters.sql" with { type: "text" };
import rollUpCounters from "../sql/events/roll_up_counters.sql" with { type: "text" };
import settleDeliveries from "../sql/events/settle_deliveries.sql" with { type: "text" };
import settleRefused from "../sql/events/settle_refused.sql" with { type: "text" };
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
import findLocked from "../sql/users/find_locked.sql" with { type: "text" };
import releaseAddresses from "../sql/users/release_addresses.sql" with { type: "text" };
import userState from "../sql/users/user_state.sql" with { type: "text" };
import { version } from "../../version.ts";
import { migrationTexts } from "./migrationFiles.ts";

const program = "clerk-neon-sync";

/** The functions that hold the rules, kept as readable files; a function stands after those that its body is checked for. */
const functionTexts: readonly string[] = [
  rules,
  handOverMentorados,
  applyDeletions,
  applyUpserts,
  linkMentorados,
  foldCounters,
  rollUpCounters,
  settleDeliveries,
  settleRefused,
  applyChanges,
  findLocked,
  releaseAddresses,
  applyUserChanges,
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
];

/** 48 bits: enough to tell the few versions of one database apart. */
const fingerprintChars = 12;

/**
 * The schema of this version's functions. Its name says what is in it and which migrations it stands on, so that copies
 * of two versions each have their own, and its presence says that the database is ready for this version.
 */
export const functionsSchema = `clerk_sync_${toFingerprint([...Object.values(migrationTexts), ...functionTexts])}`;

/** The functions' time (see rules.sql) as part of a statement; a subquery, so that an index can be searched for it. */
export function databaseNow(sql: ISql): PendingQuery<Row[]> {
  return sql`(select ${sql(functionsSchema)}.clock())`;
}

function toFingerprint(texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, fingerprintChars);
}

/** What the comment of a functions schema holds. */
interface SchemaComment {
  readonly program: string;
  readonly version: string;
  /** ISO 8601, UTC. */
  readonly installedAt: string;
}

interface InstalledSchema extends SchemaComment {
  readonly name: string;
}

export async function hasFunctions(sql: ISql): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`select to_regnamespace(${functionsSchema}) is not null as found`;
  return row?.found ?? false;
}

/**
 * The statements that install this version's functions beside those of others and drop what only older versions used:
 * the newest of them is kept, for the copies that are still to be replaced. Where a newer version has been installed
 * already, nothing is dropped: this is the older copy.
 * @returns none if the functions are there
 */
export async function planFunctions(sql: ISql): Promise<string[]> {
  if (await hasFunctions(sql)) return [];
  const others = await listInstalledSchemas(sql);
  const isOlder = others.some((other) => compareVersions(other.version, version) > 0);
  const unused = isOlder ? [] : others.slice(1);
  const comment: SchemaComment = {
    program,
    version,
    installedAt: new Date().toISOString(),
  };
  return [
    ...unused.map(({ name }) => `drop schema ${name} cascade`),
    `create schema ${functionsSchema}`,
    ...functionTexts.map((text) => text.replaceAll(/\bclerk_sync\./g, `${functionsSchema}.`)),
    // The functions run with the rights of their caller; reaching them is no right of its own.
    `grant usage on schema ${functionsSchema} to public`,
    `grant execute on all functions in schema ${functionsSchema} to public`,
    `comment on schema ${functionsSchema} is '${JSON.stringify(comment)}'`,
  ];
}

/** Functions of other versions of this program, the newest first. */
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

/** Null: not a schema of this program. */
function parseComment(text: string | null): SchemaComment | null {
  if (!text?.startsWith(`{"program":"${program}"`)) return null;
  return JSON.parse(text) as SchemaComment;
}

/** Positive: `one` is newer. Of versions such as 1.2.3, as this program has them. */
function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}
