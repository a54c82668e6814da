import postgres from "postgres";
import type { BenchDatabase } from "./databases.ts";

/**
 * Bytes that a delivery keeps in the ledger once its payload is past its retention: of the row alone, and of the indexes
 * as insertion left them.
 */
export async function measureLedgerRow(database: BenchDatabase): Promise<number> {
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  try {
    const [before] = await sql<{ bytes: number }[]>`
      select pg_indexes_size('webhook_events')::float8 / count(*) as bytes from webhook_events`;
    await sql`update webhook_events set payload = null where payload is not null`;
    await sql.unsafe("vacuum full webhook_events");
    const [row] = await sql<{ bytes: number }[]>`
      select pg_relation_size('webhook_events')::float8 / count(*) as bytes from webhook_events`;
    return (row?.bytes ?? NaN) + (before?.bytes ?? NaN);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
