import { AppError } from "../../errors.ts";
import { functionsSchema } from "../migration/sqlFunctions.ts";
import type { Database } from "./database.ts";
import { findPostgresError, isRefusal, isSlow, type PostgresError } from "./pgErrors.ts";

/** Short, because the delivery waits for the name. */
const lookupDeadlineMs = 1_000;

/** Runs `work` and turns a refusal by a rule of the database into an AppError `refused` that names the rule. */
export async function withRefusals<T>(database: Pick<Database, "run">, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isRefusal(error) ? toRefusedError(await findRuleName(database, error), error) : error;
  }
}

/** The error for a change that cannot be applied now. @param cause the error of the batch (`isBusy`), if there is one */
export function toBusyError(cause?: unknown): AppError {
  if (isSlow(cause)) return toSlowError(cause);
  const text = "Another transaction has locked a row that this change needs; nothing was written.";
  return new AppError("unavailable", text, { cause, retryAfterSeconds: 5 });
}

/** The error for a change that would keep others waiting. */
export function toSlowError(cause?: unknown): AppError {
  const text = "The database takes so long for changes of this user that others would wait; nothing was written.";
  return new AppError("unavailable", text, { cause, retryAfterSeconds: 5 });
}

/** The error for a refusal. @param rule name from `findRuleName` */
export function toRefusedError(rule: string, cause: unknown): AppError {
  return new AppError("refused", `A rule of the database refuses this change: ${rule}.`, {
    cause,
  });
}

/**
 * Name of the constraint, trigger, column, sequence or function that refused a write; if none is known, the SQLSTATE.
 * A database that does not answer the search for the trigger costs the name only: it gives the trigger's function.
 */
export async function findRuleName(database: Pick<Database, "run">, error: unknown): Promise<string> {
  const refusal = findPostgresError(error);
  if (refusal?.constraint_name) return refusal.constraint_name;
  const functions = findForeignFunctions(refusal);
  const trigger = functions.length > 0 ? await findTrigger(database, functions).catch(() => undefined) : undefined;
  return trigger ?? refusal?.column_name ?? functions[0] ?? findNamed(refusal) ?? refusal?.code ?? "unknown";
}

/**
 * The object that an error of Postgres names in its message alone: the sequence that is used up (2200H), the column of
 * another type or generated (42804, 428C9), the table with a rule (0A000), a policy or a missing right (42501), or no
 * replica identity (55000). The messages of these codes quote no values.
 */
function findNamed(error: PostgresError | undefined): string | undefined {
  if (!/^(?:2200H|42|0A000|55000)/.test(error?.code ?? "")) return undefined;
  const [, quoted, plain] = /"([^"]+)"|permission denied for \w+ (\S+)/.exec(error?.message ?? "") ?? [];
  return quoted ?? plain;
}

/** The team's functions on the error's call stack, innermost first, without their schema. */
function findForeignFunctions(error: PostgresError | undefined): string[] {
  const calls = (error?.where ?? "").matchAll(/function ((?:"[^"]+"|[^\s("]+)(?:\."?[^\s("]+"?)?)\(/g);
  return [...calls].flatMap(([, name = ""]) =>
    name.startsWith(`${functionsSchema}.`) ? [] : [name.replace(/^.*\./, "").replaceAll('"', "")],
  );
}

async function findTrigger(database: Pick<Database, "run">, functions: readonly string[]): Promise<string | undefined> {
  const rows = await database.run(
    (sql) => sql<{ name: string }[]>`
      select t.tgname as name from pg_trigger t join pg_proc p on p.oid = t.tgfoid
      where not t.tgisinternal and p.proname in ${sql(functions)} order by t.tgname`,
    { deadlineMs: lookupDeadlineMs },
  );
  return rows[0]?.name;
}
