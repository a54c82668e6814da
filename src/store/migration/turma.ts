import type { ISql } from "postgres";

/** The labels of the enum `turma`, in its order; none if it is missing. Needs no right on the schema. */
export async function listTurmaLabels(sql: ISql): Promise<string[]> {
  const rows = await sql<{ label: string }[]>`
    select e.enumlabel as label from pg_enum e join pg_type t on t.oid = e.enumtypid
      join pg_namespace n on n.oid = t.typnamespace
    where n.nspname = 'public' and t.typname = 'turma' order by e.enumsortorder`;
  return rows.map((row) => row.label);
}

/** Whether the sync has a class for new mentorados; the SQL function find_default_turma chooses by the same rule. */
export function hasDefaultTurma(labels: readonly string[], configured: string | undefined): boolean {
  if (configured !== undefined) return labels.includes(configured);
  return labels.includes("neon_estrutura") || labels.length === 1;
}
