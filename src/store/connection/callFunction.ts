import type { Row, Sql } from "postgres";
import { functionsSchema } from "../migration/sqlFunctions.ts";

/** Required by the functions (see lock_writer); a pooler drops the start-up parameter that sets it on direct connections. */
const isolation = "read committed";

/**
 * `select name(json::jsonb, text, …)` in one round trip, as a prepared statement if they are used.
 * @returns the function's answer
 */
export async function callFunction(
  sql: Sql,
  name: string,
  given: readonly string[],
  { isPooled }: { isPooled: boolean },
): Promise<unknown> {
  if (!sql.options.prepare) return callInOneMessage(sql, name, given);
  const parameters = given.map((_, place) => (place === 0 ? "$1::text::jsonb" : `$${place + 1}::text`)).join(", ");
  const condition = isPooled ? ` where current_setting('transaction_isolation') = '${isolation}'` : "";
  const call = `select ${functionsSchema}.${name}(${parameters}) as answer${condition}`;
  const [row] = await sql.unsafe<Row[]>(call, [...given], { prepare: true });
  // No row: the isolation level is another one, and Postgres has not called the function.
  return row === undefined ? callInOneMessage(sql, name, given) : row["answer"];
}

/** Two statements in one message form a transaction. Values are literals: unprepared, parameters cost a round trip. */
async function callInOneMessage(sql: Sql, name: string, given: readonly string[]): Promise<unknown> {
  const [json = "", ...texts] = given.map(toDollarQuoted);
  const parameters = [`${json}::jsonb`, ...texts].join(", ");
  const results: unknown = await sql.unsafe(
    `set transaction isolation level ${isolation}; select ${functionsSchema}.${name}(${parameters}) as answer`,
  );
  return (results as Row[][])[1]?.[0]?.["answer"];
}

/** The text as a dollar-quoted literal with a tag that does not occur in it. */
function toDollarQuoted(text: string): string {
  let tag: string;
  do tag = `$j${crypto.randomUUID().replaceAll("-", "")}$`;
  while (text.includes(tag));
  return `${tag}${text}${tag}`;
}
