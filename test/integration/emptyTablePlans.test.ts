import { expect, test } from "bun:test";
import { toUserChange } from "../../src/clerk/userChange.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { toBatch, toBatchItem } from "../../src/store/users/batchItem.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const rowsAdded = 2_000;
const atMs = Date.UTC(2026, 0, 15);

/** What a user does who signs up, changes and leaves. */
const events = [
  { type: "user.created", data: { first_name: "Ana" } },
  { type: "user.updated", data: { first_name: "Bia", updated_at: atMs + 1 } },
  { type: "user.deleted", data: { deleted: true } },
];

function toItem(n: number, { type, data }: (typeof events)[number]) {
  const email = { id: "idn_1", email_address: `${n}@example.com`, verification: { status: "verified" } };
  const user = { id: `user_${n}`, created_at: atMs, updated_at: atMs, email_addresses: [email], ...data };
  const body = JSON.stringify({ type, data: user, timestamp: atMs });
  return toBatchItem(toUserChange({ svixId: `msg_${crypto.randomUUID()}`, body, receivedAtMs: atMs }));
}

/** The arguments of `apply_user_changes`. */
function toArguments(...items: ReturnType<typeof toItem>[]): [json: string, texts: string] {
  const { json, texts } = toBatch(items, "neon_estrutura");
  return [json, texts];
}

test("a plan made while the tables were empty and analyzed reads a few rows of tables that have grown", async () => {
  const db = await openForTest(openTestDatabase());
  const connection = await db.sql.reserve();
  const call = (n: number, event: (typeof events)[number]) =>
    connection.unsafe(
      `select ${functionsSchema}.apply_user_changes($1::text::jsonb, $2)`,
      toArguments(toItem(n, event)),
    );
  try {
    // What a database says of a table in which it has seen no row: none will come.
    for (const table of ["users", "mentorados", "webhook_events"]) await connection.unsafe(`vacuum (analyze) ${table}`);
    for (const event of events) await call(1, event);
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
    for (const event of events) await call(2, event);
    const read = await connection<{ table: string; rows: number }[]>`
      select relname as table, (seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows from pg_stat_xact_user_tables
      where seq_tup_read + coalesce(idx_tup_fetch, 0) > 100`;
    expect([...read]).toEqual([]);
  } finally {
    await connection`rollback`;
    connection.release();
  }
});

test("users who have a mentorado are not read again when another user of their batch has none", async () => {
  const db = await openForTest(openTestDatabase());
  const connection = await db.sql.reserve();
  const [created, updated] = events as [(typeof events)[number], (typeof events)[number]];
  const known = Array.from({ length: 20 }, (_, n) => n);
  const call = (items: ReturnType<typeof toItem>[]) =>
    connection.unsafe(`select ${functionsSchema}.apply_user_changes($1::text::jsonb, $2)`, toArguments(...items));
  try {
    await call(known.map((n) => toItem(n, created)));
    await connection`select pg_stat_force_next_flush()`;
    await connection`begin`;
    await call([...known.map((n) => toItem(n, updated)), toItem(known.length, created)]);
    const [read] = await connection<{ rows: number }[]>`
      select idx_tup_fetch::int as rows from pg_stat_xact_user_tables where relname = 'users'`;
    // Once to compare and once to update.
    expect(read?.rows).toBeLessThan(3 * known.length);
  } finally {
    await connection`rollback`;
    connection.release();
  }
});
