import { expect, test } from "bun:test";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const rowsAdded = 2_000;
const at = "2026-01-15T12:00:00Z";

/** One user that signs up, changes or leaves, as `apply_user_changes` takes it. */
function toBatch(n: number, change: Record<string, unknown>): [batch: string, texts: string] {
  const clerk_id = `user_${n}`;
  const event = { svix_id: `msg_${crypto.randomUUID()}`, type: "user.updated", received_at: at, occurred_at: at };
  const user = { clerk_id, name: "Ana", email: `${n}@example.com`, email_verified: true, clerk_created_at: at };
  const version = { version: `${n}`, clerk_updated_at: at, last_signed_in: at };
  const one = { kind: "upsert", source: "webhook", ...event, ...user, ...version, ...change };
  return [JSON.stringify({ default_turma: "neon_estrutura", separator: "|", changes: [one] }), "{}|{}"];
}

test("a plan made while the tables were empty and analyzed reads a few rows of tables that have grown", async () => {
  const db = await openForTest(openTestDatabase());
  const connection = await db.sql.reserve();
  const call = ([batch, texts]: [string, string]) =>
    connection.unsafe(`select ${functionsSchema}.apply_user_changes($1::text::jsonb, $2)`, [batch, texts]);
  const changes = [{}, { name: "Bia" }, { kind: "delete", deleted_at: at }];
  try {
    // What a database says of a table in which it has seen no row: none will come.
    for (const table of ["users", "mentorados", "webhook_events"]) await connection.unsafe(`vacuum (analyze) ${table}`);
    for (const change of changes) await call(toBatch(1, change));
    await connection`
      insert into users (clerk_id, email, email_verified)
      select 'user_old' || n, 'old' || n || '@example.com', true from generate_series(1, ${rowsAdded}::int) n`;
    await connection`
      insert into mentorados (user_id, nome_completo, email, turma)
      select id, 'Ana', email, 'neon_estrutura' from users where clerk_id like 'user_old%'`;
    await connection`
      insert into webhook_events (svix_id, clerk_id, received_at, settled_at, outcome)
      select 'msg_old' || n, 'user_old' || n, now(), now(), 'applied' from generate_series(1, ${rowsAdded}::int) n`;
    // What filling the tables read is not counted.
    await connection`select pg_stat_force_next_flush()`;
    await connection`begin`;
    for (const change of changes) await call(toBatch(2, change));
    const read = await connection<{ table: string; rows: number }[]>`
      select relname as table, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows from pg_stat_xact_user_tables
      where seq_tup_read + coalesce(idx_tup_fetch, 0) > 100`;
    expect([...read]).toEqual([]);
  } finally {
    await connection`rollback`;
    connection.release();
  }
});
