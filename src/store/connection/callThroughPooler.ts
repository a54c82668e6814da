import type { Row, Sql } from "postgres";
import { functionsSchema } from "../migration/sqlFunctions.ts";

/**
 * `select name(json::jsonb, text, …)` as one message and so one round trip; without parameters, which would cost a second
 * one, for a pooler may lack prepared statements. The two statements of the message are one transaction.
 */
export async function callThroughPooler(sql: Sql, name: string, given: readonly string[]): Promise<readonly Row[]> {
  const [json = "", ...texts] = given.map(toDollarQuoted);
  const parameters = [`${json}::jsonb`, ...texts].join(", ");
  const results: unknown = await sql.unsafe(
    `set transaction isolation level read committed; select ${functionsSchema}.${name}(${parameters}) as answer`,
  );
  return (results as Row[][])[1] ?? [];
}

/** The text as a dollar-quoted literal whose tag cannot stand in it. */
function toDollarQuoted(text: string): string {
  let tag: string;
  do tag = `$j${crypto.randomUUID().replaceAll("-", "")}$`;
  while (text.includes(tag));
  return `${tag}${text}${tag}`;
}
