import type { ISql } from "postgres";

/** Labels of the enum `turma` in order; empty if the enum is missing. Needs no right on the schema. */
export async function listTurmaLabels(sql: ISql): Promise<string[]> {
  const rows = await sql<{ label: string }[]>`
    select e.enumlabel as label from pg_enum e join pg_type t on t.oid = e.enumtypid
      join pg_namespace n on n.oid = t.typnamespace
    where n.nspname = 'public' and t.typname = 'turma' order by e.enumsortorder`;
  return rows.map((row) => row.label);
}

/** Whether there is a class for new mentorados; same rule as the SQL function find_default_turma. */
export function hasDefaultTurma(labels: readonly string[], configured: string | undefined): boolean {
  if (configured !== undefined) return labels.includes(configured);
  return labels.includes("neon_estrutura") || labels.length === 1;
}
