import postgres from "postgres";
import { signHeaders, storedAtMs, toClerkId, toClerkUser, toEmail, toEventBody } from "./deliveries.ts";
import type { BenchDatabase } from "./databases.ts";

const users = 400;
const updatesEach = 3;
/** The last of these shares: deleted in the end; never proved the address, which some mentorado already has. */
const deletedShare = 0.25;
const unverifiedShare = 0.1;
const atOnce = 16;
/** Svix tries eight times. */
const triesMax = 8;

/** Differences from the known end of a history, as counts of users. */
export interface HistoryFindings {
  readonly users: number;
  readonly deliveries: number;
  /** Answers other than 200; such a delivery comes again, as Svix sends it. */
  readonly refused: number;
  readonly outOfDate: number;
  readonly backFromDeletion: number;
  readonly missing: number;
  /** More than one mentorado with the person's address. */
  readonly doubledMentorados: number;
  /** A mentorado linked to a user who never proved its address. */
  readonly givenAway: number;
}

/** Users that did not end as Clerk says; one may be counted for several reasons. */
export function countMistakes(found: HistoryFindings): number {
  return found.outOfDate + found.backFromDeletion + found.missing + found.doubledMentorados + found.givenAway;
}

interface Person {
  readonly clerkId: string;
  readonly email: string;
  readonly verified: boolean;
  readonly deleted: boolean;
  readonly name: string;
  readonly events: readonly { svixId: string; body: string }[];
}

/**
 * Every user created, updated and some deleted; each event twice, all of it shuffled, several at once; whatever is not
 * answered 200 comes again. Then the tables are compared with what Clerk says in the end.
 */
export async function runHistory(database: BenchDatabase, url: string): Promise<HistoryFindings> {
  const people = Array.from({ length: users }, (_, n) => toPerson(n));
  const unverified = people.filter((person) => !person.verified);
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  try {
    await sql`
      insert into mentorados (nome_completo, email, turma)
      select 'Another person', email, 'neon_estrutura' from unnest(${unverified.map(({ email }) => email)}::text[]) as e(email)`;
    const events = people.flatMap((person) => person.events);
    const deliveries = shuffle([...events, ...events]);
    const refused = await deliverAll(url, deliveries);
    return { users, deliveries: deliveries.length, refused, ...(await countWrong(sql, people)) };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function toPerson(n: number): Person {
  const clerkId = toClerkId(n);
  const email = toEmail(n);
  const verified = n < users * (1 - unverifiedShare);
  const deleted = n < users * deletedShare;
  const atMs = (version: number) => storedAtMs + n * 1000 + version * 60_000;
  const versions = Array.from({ length: updatesEach + 1 }, (_, version) => {
    const user = toClerkUser({ clerkId, email, firstName: `Version${version}`, atMs: atMs(version) });
    if (!verified) for (const address of user.email_addresses) address.verification.status = "unverified";
    return toEventBody(version === 0 ? "user.created" : "user.updated", user, atMs(version) + 20);
  });
  const deletion = toEventBody("user.deleted", { deleted: true, id: clerkId, object: "user" }, atMs(updatesEach + 1));
  const events = [...versions, ...(deleted ? [deletion] : [])].map((body, version) => ({
    svixId: `msg_history${n}v${version}`,
    body,
  }));
  return { clerkId, email, verified, deleted, name: `Version${updatesEach} Family`, events };
}

/** The same order at each run (a linear congruential generator, Numerical Recipes). */
function shuffle<T>(list: T[]): T[] {
  let state = 42;
  for (let last = list.length - 1; last > 0; last--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (last + 1);
    const [a, b] = [list[last], list[other]];
    if (a !== undefined && b !== undefined) [list[last], list[other]] = [b, a];
  }
  return list;
}

async function deliverAll(url: string, deliveries: readonly { svixId: string; body: string }[]): Promise<number> {
  let next = 0;
  let refused = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let delivery = deliveries[next++]; delivery; delivery = deliveries[next++]) {
        for (let tries = 0; tries < triesMax; tries++) {
          const res = await fetch(`${url}/api/webhooks/clerk`, {
            method: "POST",
            body: delivery.body,
            headers: { "content-type": "application/json", ...signHeaders(delivery.svixId, delivery.body) },
          });
          await res.arrayBuffer();
          if (res.ok) break;
          refused += 1;
        }
      }
    }),
  );
  return refused;
}

async function countWrong(sql: postgres.Sql, people: readonly Person[]) {
  const [counts] = await sql<
    Pick<HistoryFindings, "outOfDate" | "backFromDeletion" | "missing" | "doubledMentorados" | "givenAway">[]
  >`
    select count(*) filter (where not p.deleted and alive and s.name is distinct from p.name)::int as "outOfDate",
           count(*) filter (where p.deleted and alive)::int as "backFromDeletion",
           count(*) filter (where not p.deleted and not alive)::int as missing,
           count(*) filter (where mentorados > 1)::int as "doubledMentorados",
           count(*) filter (where not p.verified and owned)::int as "givenAway"
    from unnest(${people.map(({ clerkId }) => clerkId)}::text[], ${people.map(({ email }) => email)}::text[],
                ${people.map(({ name }) => name)}::text[], ${people.map(({ verified }) => String(verified))}::text[],
                ${people.map(({ deleted }) => String(deleted))}::text[])
           as e(clerk_id, email, name, verified_text, deleted_text)
      cross join lateral (
        select e.clerk_id, e.email, e.name, e.verified_text::boolean as verified, e.deleted_text::boolean as deleted
      ) p
      left join users s on s.clerk_id = p.clerk_id
      -- The baselines have no such column, and delete the row instead.
      cross join lateral (select s.id is not null and to_jsonb(s) ->> 'deleted_at' is null as alive) a
      cross join lateral (
        select count(*) as mentorados, coalesce(bool_or(m.user_id is not null), false) as owned
        from mentorados m where m.email = p.email
      ) m`;
  if (!counts) throw new Error("count(*) answered no row");
  return counts;
}
