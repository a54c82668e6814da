import type { Sql } from "postgres";

/** The labels of the database's `turma` enum, which may be more than the migration made; none if it is not there. */
export async function findTurmaLabels(sql: Sql): Promise<string[]> {
  const rows = await sql<{ label: string }[]>`
    select e.enumlabel as label from pg_enum e
    where e.enumtypid = to_regtype('public.turma') order by e.enumsortorder`;
  return rows.map((row) => row.label);
}
