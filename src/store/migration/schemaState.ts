import type { ISql } from "postgres";
import { findPendingEntries } from "./migrationPlan.ts";
import { hasFunctions } from "./sqlFunctions.ts";
import { listTurmaLabels } from "./turma.ts";

/**
 * What this version needs and the database lacks, by name, for `/readyz` and `doctor`; nothing: it is ready. The
 * functions are installed after all migrations, in the same transaction, so that their presence answers for both.
 */
export async function findPendingMigrations(sql: ISql): Promise<string[]> {
  if (await hasFunctions(sql)) return [];
  const [ledger] = await sql<{ isReadable: boolean }[]>`
    select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as "isReadable"
    from pg_namespace n join pg_class c on c.relnamespace = n.oid
    where n.nspname = 'drizzle' and c.relname = 'clerk_neon_sync_migrations'`;
  const pending = ledger?.isReadable === false ? [] : await findPendingEntries(sql);
  return [...pending.map((entry) => entry.tag), "functions"];
}

export interface SchemaState {
  /** See `findPendingMigrations`. */
  readonly pending: readonly string[];
  /** May be more than the migration made; none if the enum is missing. */
  readonly turmaLabels: readonly string[];
}

/** What `/readyz` and `doctor` ask. */
export async function findSchemaState(sql: ISql): Promise<SchemaState> {
  const pending = await findPendingMigrations(sql);
  return { pending, turmaLabels: await listTurmaLabels(sql) };
}
