import assert from "node:assert/strict";
import { createStatusService } from "../../src/service/statusService.ts";
import type { Model } from "./model.ts";
import type { ModelUser } from "./modelLinks.ts";
import type { TestApp } from "./testApp.ts";

/** Every table, to the last column that has a rule, against the model. */
export async function compareTables(app: TestApp, model: Model): Promise<void> {
  assert.deepEqual(await readUsers(app), expectedUsers(model.users), "users");
  assert.deepEqual(await readMentorados(app), expectedMentorados(model), "mentorados");
  assert.deepEqual(await readLedger(app), expectedLedger(model), "webhook_events");
  assert.deepEqual(await readTrail(app), [...model.links.trail].sort(), "mentorado_links");
  await compareFigures(app, model);
}

const msOf = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

export async function readUsers({ sql }: Pick<TestApp, "sql">): Promise<Record<string, unknown>[]> {
  const rows = await sql.unsafe<Record<string, unknown>[]>(`
    select clerk_id, name, email, email_verified, image_url, login_method, role::text, raw_json,
           ${msOf("clerk_created_at")} as clerk_created_at, ${msOf("clerk_updated_at")} as clerk_updated_at,
           ${msOf("deleted_at")} as deleted_at, link_held_at is not null as held
    from users order by clerk_id collate "C"`);
  return rows.map((row) => ({ ...row }));
}

export function expectedUsers(of: ReadonlyMap<string, ModelUser>): Record<string, unknown>[] {
  const users = [...of.values()].sort((a, b) => (a.clerkId < b.clerkId ? -1 : 1));
  return users.map(({ clerkId, said, role, deletedAtMs, held }) => ({
    clerk_id: clerkId,
    name: said?.name ?? null,
    email: said?.email ?? null,
    email_verified: said?.emailVerified ?? false,
    image_url: said?.imageUrl ?? null,
    login_method: said?.loginMethod ?? null,
    role,
    raw_json: said?.raw ?? null,
    clerk_created_at: said?.createdAtMs ?? null,
    clerk_updated_at: said?.version.updatedAtMs ?? null,
    deleted_at: deletedAtMs,
    held,
  }));
}

async function readMentorados({ sql }: TestApp): Promise<string[]> {
  const rows = await sql`
    select u.clerk_id as owner, m.nome_completo, m.email, m.foto_url, m.turma::text, m.ativo::text
    from mentorados m left join users u on u.id = m.user_id`;
  return rows.map((row) => JSON.stringify(Object.values(row))).sort();
}

function expectedMentorados(model: Model): string[] {
  return [...model.links.mentorados]
    .map(({ owner, nomeCompleto, email, fotoUrl, turma }) =>
      JSON.stringify([owner, nomeCompleto, email, fotoUrl, turma, "sim"]),
    )
    .sort();
}

async function readLedger({ sql }: TestApp): Promise<Record<string, unknown>> {
  const rows = await sql`select svix_id, clerk_id, outcome, attempts, payload from webhook_events`;
  return Object.fromEntries(rows.map(({ svix_id, ...row }) => [svix_id as string, row]));
}

function expectedLedger(model: Model): Record<string, unknown> {
  return Object.fromEntries(
    [...model.ledger].map(([svixId, { clerkId, outcome, attempts, payload }]) => [
      svixId,
      { clerk_id: clerkId, outcome, attempts, payload },
    ]),
  );
}

async function readTrail({ sql }: TestApp): Promise<string[]> {
  const rows = await sql<{ entry: string }[]>`
    select concat_ws(' ', clerk_id, action, actor, coalesce(svix_id, '-')) as entry from mentorado_links`;
  return rows.map((row) => row.entry).sort();
}

async function compareFigures(app: TestApp, model: Model): Promise<void> {
  const ledger = [...model.ledger.values()];
  const events = Object.fromEntries(
    ["applied", "unchanged", "stale", "ignored", "dead"].map((outcome) => [
      outcome,
      ledger.filter((row) => row.outcome === outcome).length,
    ]),
  );
  const users = [...model.users.values()];
  const linked = (state: string) => users.filter((user) => model.links.linkStateOf(user) === state).length;
  const deleted = users.filter((user) => user.said === null).length;
  // Of its own: the app's keeps user figures for two seconds.
  const status = await createStatusService({ database: app.database }).getStatus();
  assert.deepEqual(
    { users: status.users, links: status.links, events: status.events, duplicates: status.duplicates },
    {
      users: { total: users.length, active: users.length - deleted, deleted },
      links: {
        linked: linked("linked"),
        unverified: linked("unverified"),
        noEmail: linked("no_email"),
        conflict: linked("conflict"),
      },
      events,
      duplicates: model.duplicates(),
    },
    "sync.status",
  );
  const hours = await app.sql<{ outcome: string; differs: boolean }[]>`
    select outcome, sum(events) filter (where hour > '-infinity') <> sum(events) filter (where hour = '-infinity') as differs
    from event_counters group by outcome`;
  assert.deepEqual(
    hours.filter((row) => row.differs),
    [],
    "the hours add up to the totals",
  );
}

/** Violated invariants, in words. */
export async function findViolations(sql: TestApp["sql"]): Promise<string[]> {
  const rows = await sql<{ what: string }[]>`
    select 'a mentorado of a deleted user: ' || m.id as what
      from mentorados m join users u on u.id = m.user_id where u.deleted_at is not null
    union all
    select 'personal data of a deleted user: ' || clerk_id from users
      where deleted_at is not null
        and (num_nonnulls(name, email, image_url, raw_json, login_method) > 0 or email_verified or role <> 'user')
    union all
    select 'a payload of a deleted user: ' || e.svix_id from webhook_events e join users u using (clerk_id)
      where u.deleted_at is not null and e.payload is not null
    union all
    select 'an unlinked user with a mentorado: ' || u.clerk_id from users u join mentorados m on m.user_id = u.id
      where u.link_held_at is not null
    union all
    select 'the trail says otherwise of mentorado ' || m.id from mentorados m
      left join (
        select distinct on (mentorado_id) * from mentorado_links order by mentorado_id, id desc
      ) last on last.mentorado_id = m.id
      where m.user_id is distinct from
        case when last.action in ('linked', 'created', 'resolved') then last.user_id end`;
  return rows.map((row) => row.what);
}
