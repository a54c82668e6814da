import postgres from "postgres";
import { openEmbeddedPostgres, type EmbeddedPostgres } from "../../../src/dev/postgres/embeddedPostgres.ts";
import { silentLog } from "../../../src/log.ts";
import { migrateDatabase } from "../../../src/store/migration/migrate.ts";
import { parseDsn } from "../../../src/store/connection/dsn.ts";
import { storedAtMs, toClerkId, toClerkUser } from "./deliveries.ts";

/** Whose tables a database has: this program's, or those the baselines know. */
export type TablesOf = "this" | "baseline";

/** Commits reach the disk before they are answered; one checkpoint does not fall into every other measurement. */
export const serverSettings = { max_wal_size: "8GB", checkpoint_timeout: "30min", shared_buffers: "512MB" };

export function openBenchServer(): Promise<EmbeddedPostgres> {
  return openEmbeddedPostgres({ persistent: false, durable: true, settings: serverSettings, log: silentLog });
}

export interface BenchDatabase {
  readonly name: string;
  readonly url: string;
  readonly tables: TablesOf;
  /** Users in it before the first delivery. */
  readonly stored: number;
  /** Place of the next delivery, see `toDelivery`. */
  nextPlace: number;
}

/** A fresh database with `stored` users, each with a mentorado, and, in this program's, a ledger row. */
export async function createDatabase(
  server: EmbeddedPostgres,
  { name, tables, stored }: { name: string; tables: TablesOf; stored: number },
): Promise<BenchDatabase> {
  await server.createDatabase(name);
  const url = server.urlFor(name);
  if (tables === "this") await migrateDatabase({ migrationDsn: parseDsn(url) });
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    if (tables === "baseline") await sql.unsafe(baselineTables);
    if (stored > 0) await sql.unsafe(tables === "this" ? seedThis(stored) : seedBaseline(stored));
    // Statistics of an empty table would say less than the planner's own assumptions about one never looked at.
    if (stored > 0) await sql.unsafe("vacuum (analyze)");
    await sql.unsafe("checkpoint");
  } finally {
    await sql.end({ timeout: 1 });
  }
  return { name, url, tables, stored, nextPlace: 0 };
}

const baselineTables = `
  create type role as enum ('user', 'admin');
  create type turma as enum ('neon_estrutura', 'neon_escala');
  create type ativo as enum ('sim', 'nao');
  create table users (
    id serial primary key, clerk_id varchar(64) not null unique, name text, email varchar(320), image_url text,
    login_method varchar(64), role role default 'user' not null, created_at timestamp default now() not null,
    updated_at timestamp default now() not null, last_signed_in timestamp default now() not null);
  create table mentorados (
    id serial primary key, user_id integer references users on delete set null, nome_completo varchar(255) not null,
    email varchar(320), foto_url varchar(500), turma turma not null, ativo ativo default 'sim' not null,
    created_at timestamp default now() not null, updated_at timestamp default now() not null);
  create index mentorados_user_id_idx on mentorados (user_id);
  create index mentorados_email_idx on mentorados (email);`;

const storedUsers = (stored: number) => `
  select n, '${toClerkId(0).slice(0, -16)}' || lpad(n::text, 16, '0') as clerk_id,
         'person.' || n || '@example.com' as email, to_timestamp(${storedAtMs / 1000}) as at
  from generate_series(0, ${stored - 1}) n`;

const mentorados = `
  insert into mentorados (user_id, nome_completo, email, turma)
  select id, name, email, 'neon_estrutura' from users order by id;`;

const seedBaseline = (stored: number) => `
  insert into users (clerk_id, name, email, image_url, login_method)
  select clerk_id, 'Given Family', email, 'https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9', 'clerk'
  from (${storedUsers(stored)}) s;
  ${mentorados}`;

/** As the program itself would have stored them; the ledger's payloads are past their retention but for a twentieth. */
function seedThis(stored: number): string {
  const [before, after] = JSON.stringify(
    toClerkUser({ clerkId: "@", email: "#", firstName: "Given", atMs: storedAtMs }),
  ).split(`"image_url"`);
  const raw = `replace(replace('${before}', '@', clerk_id), '#', email) || '"image_url"${after}'`;
  return `
    insert into users (clerk_id, name, email, email_verified, image_url, login_method, raw_json, last_signed_in,
                       clerk_created_at, clerk_updated_at, clerk_version, synced_at, sync_source)
    select clerk_id, 'Given Family', email, true, 'https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9', 'google',
           (${raw})::jsonb, at, at, at, lpad('${storedAtMs}', 15, '0') || ':0:' || lpad('${storedAtMs + 20}', 15, '0') || ':',
           at, 'webhook'
    from (${storedUsers(stored)}) s;
    ${mentorados}
    insert into webhook_events (svix_id, type, clerk_id, instance_id, occurred_at, received_at, settled_at, outcome, payload)
    select 'msg_1stored' || lpad(n::text, 16, '0'), 'user.created', clerk_id, 'ins_2benchbenchbenchbenchbenchb', at, at, at,
           'applied', case when n % 20 = 0 then ${raw} end
    from (${storedUsers(stored)}) s;
    insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor, at)
    select m.id, u.id, u.clerk_id, 'created', 'webhook', u.synced_at from mentorados m join users u on u.id = m.user_id;`;
}
