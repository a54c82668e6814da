import type { ISql } from "postgres";
import { findPendingEntries } from "./migrationPlan.ts";
import { hasFunctions } from "./sqlFunctions.ts";
import { listTurmaLabels } from "./turma.ts";

/**
 * Names of pending migrations, and `functions` if those are missing; empty: the database is ready. The functions are
 * installed after all migrations in the same transaction, so their presence implies the migrations.
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

/** Whether a database is ready for this version. */
export interface SchemaState {
  /** See `findPendingMigrations`. */
  readonly pending: readonly string[];
  /** Labels of the enum `turma`, perhaps more than the migration creates; empty if the enum is missing. */
  readonly turmaLabels: readonly string[];
}

/** Query of `/readyz` and `doctor`. */
export async function findSchemaState(sql: ISql): Promise<SchemaState> {
  const pending = await findPendingMigrations(sql);
  return { pending, turmaLabels: await listTurmaLabels(sql) };
}
