import postgres from "postgres";
import type { BenchDatabase } from "./databases.ts";
import { toDelivery, type Expected } from "./deliveries.ts";
import type { Target } from "./measure.ts";

/** Rows asked for at once. */
const chunkItems = 5_000;

export interface TableCheck {
  /** Users that a delivery answered 200 was about. */
  readonly users: number;
  /** Users of these whose row, mentorado or ledger entry is not there or not as the last answered delivery says. */
  readonly wrong: number;
}

/**
 * Compares the tables with everything answered 200, and forgets it. A user about whom some delivery failed is left
 * out: that one may have been written or not.
 */
export async function checkTables(database: BenchDatabase, answered: Target["answered"]): Promise<TableCheck> {
  const expected = new Map<string, Expected>();
  const uncertain = new Set<string>();
  for (const { firstPlace, sent, failed } of answered.splice(0)) {
    const failures = new Set(failed);
    for (let place = firstPlace; place < firstPlace + sent; place++) {
      const { body: _, ...delivery } = toDelivery(place, database.stored);
      if (failures.has(place)) uncertain.add(delivery.clerkId);
      else expected.set(delivery.clerkId, delivery);
    }
  }
  const rows = [...expected.values()].filter(({ clerkId }) => !uncertain.has(clerkId));
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  let wrong = 0;
  try {
    for (let from = 0; from < rows.length; from += chunkItems) {
      wrong += await countWrong(sql, database, rows.slice(from, from + chunkItems));
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
  return { users: rows.length, wrong };
}

async function countWrong(sql: postgres.Sql, { tables }: BenchDatabase, rows: readonly Expected[]): Promise<number> {
  const column = (name: keyof Expected) => rows.map((row) => row[name]);
  const sameAddress = tables === "this" ? "clerk_email_key(m.email) = e.email" : "m.email = e.email";
  const inLedger =
    tables === "this"
      ? "exists (select from webhook_events w where w.svix_id = e.svix_id and w.outcome in ('applied', 'unchanged'))"
      : "true";
  const [answer] = await sql.unsafe<{ wrong: number }[]>(
    `select count(*)::int as wrong
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as e(clerk_id, email, name, svix_id)
       left join users u on u.clerk_id = e.clerk_id
     where u.name is distinct from e.name or u.email is distinct from e.email or not ${inLedger}
       or array(select m.user_id from mentorados m where ${sameAddress}) is distinct from array[u.id]`,
    [column("clerkId"), column("email"), column("name"), column("svixId")],
  );
  return answer?.wrong ?? rows.length;
}
