import type { UserStatus } from "../../domain/userStatus.ts";
import type { Database } from "../connection/database.ts";

/** The report reads all payloads, because no index finds the ids in them; only the command line asks for it. */
const deadlineMs = 300_000;

/**
 * What a column holds of a user: `personal` data, which a deletion erases; only the Clerk id (`identifier`), which stays
 * for the tombstone and the audit trail; or data of a mentorado that the deletion `released`, which belongs to the team
 * and is not erased.
 */
export type ErasureKind = "personal" | "identifier" | "released";

/** Result for one column. */
export interface ErasureFinding {
  readonly table: string;
  readonly column: string;
  readonly holds: ErasureKind;
  /** Number of rows with data of the user. */
  readonly rows: number;
}

/** Everything stored about one user, by column. */
export interface ErasureReport {
  readonly clerkId: string;
  readonly state: UserStatus["state"];
  /** Whether no personal data is left. */
  readonly erased: boolean;
  readonly findings: readonly ErasureFinding[];
  /** Mentorados that the deletion released and that have no user. */
  readonly releasedMentoradoIds: readonly number[];
  /** The team's own columns of `users` and `mentorados`, which are neither written nor searched. */
  readonly unsearched: readonly string[];
}

/** This program's columns of the two shared tables. Those not searched hold times, states and versions. */
export const knownColumns = {
  users: (
    "id clerk_id name email image_url login_method role created_at updated_at last_signed_in email_verified raw_json " +
    "clerk_created_at clerk_updated_at deleted_at synced_at sync_source clerk_version role_version link_held_at"
  ).split(" "),
  mentorados: "id user_id nome_completo email foto_url turma ativo created_at updated_at".split(" "),
};

/** Searches all tables for one user, in one statement and so in one snapshot. Read-only. */
export async function findErasureReport(database: Database, clerkId: string): Promise<ErasureReport> {
  // The id may be a prefix of a longer id.
  const named = `${clerkId}(?![A-Za-z0-9])`;
  const [row] = await database.run(
    (sql) => sql<{ answer: string }[]>`
      with u as (
        select * from public.users where clerk_id = ${clerkId}
      ), linked as (
        select m.* from public.mentorados m join u on m.user_id = u.id
      ), released as (
        select m.* from public.mentorados m
        where m.user_id is null and m.id in (
          select l.mentorado_id from public.mentorado_links l where l.clerk_id = ${clerkId} and l.action = 'released')
      ), own as (
        select * from public.webhook_events where clerk_id = ${clerkId}
      ), others as (
        select payload from public.webhook_events
        where clerk_id is distinct from ${clerkId} and strpos(payload, ${clerkId}) > 0 and payload ~ ${named}
      ), findings (place, "table", "column", holds, rows) as (values
        (1, 'users', 'name', 'personal', (select count(name) from u)),
        (2, 'users', 'email', 'personal', (select count(email) from u)),
        (3, 'users', 'image_url', 'personal', (select count(image_url) from u)),
        (4, 'users', 'login_method', 'personal', (select count(login_method) from u)),
        (5, 'users', 'raw_json', 'personal', (select count(raw_json) from u)),
        (6, 'users', 'clerk_id', 'identifier', (select count(*) from u)),
        (7, 'mentorados', 'nome_completo', 'personal', (select count(nome_completo) from linked)),
        (8, 'mentorados', 'email', 'personal', (select count(email) from linked)),
        (9, 'mentorados', 'foto_url', 'personal', (select count(foto_url) from linked)),
        (10, 'mentorados', 'nome_completo', 'released', (select count(nome_completo) from released)),
        (11, 'mentorados', 'email', 'released', (select count(email) from released)),
        (12, 'mentorados', 'foto_url', 'released', (select count(foto_url) from released)),
        (13, 'webhook_events', 'payload', 'personal', (select count(payload) from own)),
        (14, 'webhook_events', 'payload (of other events)', 'personal', (select count(*) from others)),
        (15, 'webhook_events', 'clerk_id', 'identifier', (select count(*) from own)),
        (16, 'webhook_events', 'error_detail', 'identifier',
          (select count(*) from public.webhook_events where error_detail ~ ${named})),
        (17, 'mentorado_links', 'clerk_id', 'identifier',
          (select count(*) from public.mentorado_links where clerk_id = ${clerkId})),
        (18, 'mentorado_links', 'actor', 'identifier',
          (select count(*) from public.mentorado_links where actor ~ ${named})),
        (19, 'sync_runs', 'error', 'identifier', (select count(*) from public.sync_runs where error ~ ${named})),
        (20, 'sync_runs', 'cursor', 'identifier', (select count(*) from public.sync_runs where cursor::text ~ ${named}))
      )
      select jsonb_build_object(
        'state', coalesce((select case when deleted_at is null then 'synced' else 'deleted' end from u), 'missing'),
        'findings', (select jsonb_agg(to_jsonb(f) - 'place' order by place) from findings f),
        'releasedMentoradoIds', coalesce((select jsonb_agg(id order by id) from released), '[]'),
        'unsearched', coalesce((
          select jsonb_agg(c.table_name || '.' || c.column_name order by c.table_name desc, c.ordinal_position)
          from information_schema.columns c
          where c.table_schema = 'public'
            and (c.table_name = 'users' and c.column_name::text not in ${sql(knownColumns.users)}
                 or c.table_name = 'mentorados' and c.column_name::text not in ${sql(knownColumns.mentorados)})),
          '[]')
      )::text as answer`,
    { deadlineMs },
  );
  if (row === undefined) throw new Error("The search for the user's data returned no row");
  const search = JSON.parse(row.answer) as Omit<ErasureReport, "clerkId" | "erased">;
  const erased = search.findings.every(({ holds, rows }) => holds !== "personal" || rows === 0);
  return { clerkId, erased, ...search };
}
