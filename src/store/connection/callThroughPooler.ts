import type { Row, Sql } from "postgres";
import { functionsSchema } from "../migration/sqlFunctions.ts";

/**
 * `select name(json::jsonb, text, …)` in one round trip through a pooler that may lack prepared statements: values are
 * literals in a simple query, because parameters would cost a second round trip. Its two statements form a transaction.
 */
export async function callThroughPooler(sql: Sql, name: string, given: readonly string[]): Promise<readonly Row[]> {
  const [json = "", ...texts] = given.map(toDollarQuoted);
  const parameters = [`${json}::jsonb`, ...texts].join(", ");
  const results: unknown = await sql.unsafe(
    `set transaction isolation level read committed; select ${functionsSchema}.${name}(${parameters}) as answer`,
  );
  return (results as Row[][])[1] ?? [];
}

/** The text as a dollar-quoted literal with a tag that does not occur in it. */
function toDollarQuoted(text: string): string {
  let tag: string;
  do tag = `$j${crypto.randomUUID().replaceAll("-", "")}$`;
  while (text.includes(tag));
  return `${tag}${text}${tag}`;
}
