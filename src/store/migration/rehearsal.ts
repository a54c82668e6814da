import type { ISql, TransactionSql } from "postgres";
import { AppError } from "../../errors.ts";
import type { Database } from "../connection/database.ts";
import { isBusy, isPostgresError, isTransient } from "../connection/pgErrors.ts";
import { describeFailures, type RehearsalFailure, type RehearsalFinding } from "./rehearsalFailures.ts";
import { comparedStep, toRehearsalSteps, toTurmaSteps } from "./rehearsalSteps.ts";
import { functionsSchema } from "./sqlFunctions.ts";
import { listTurmaLabels } from "./turma.ts";
import { findUnloggedTables } from "./unloggedTables.ts";

/** Result of a rehearsal. */
export interface RehearsalReport {
  /** Findings that make deliveries fail. */
  readonly obstacles: readonly RehearsalFinding[];
  /** Findings that delay or change some deliveries. */
  readonly warnings: readonly RehearsalFinding[];
}

/** Limit on the labels of `turma` that are tried. */
const labelsTriedMax = 50;

/** Where a rehearsal runs: on a pool or inside a transaction. */
interface Connection {
  readonly run: <T>(work: (sql: ISql) => Promise<T>) => Promise<T>;
  /** Calls the SQL function `rehearse`. */
  readonly call: (stepsJson: string) => Promise<unknown>;
}

/**
 * Runs made-up users through this version's functions, with the role and settings of the server's connections, and rolls
 * everything back. Only used sequence values, and effects of triggers outside the transaction, remain. Holds the writer's
 * lock for 60 to 150 ms. One function call instead of a transaction: postgres.js ends the process if the connection of an
 * open transaction breaks.
 * @throws AppError `unavailable` if the database is busy, unreachable or shutting down
 */
export function rehearse(
  database: Database,
  { defaultTurma, deadlineMs }: { readonly defaultTurma?: string | undefined; readonly deadlineMs: number },
): Promise<RehearsalReport> {
  const connection: Connection = {
    run: (work) => database.run(work, { deadlineMs }),
    call: (stepsJson) => database.callFunction("rehearse", stepsJson, { deadlineMs }),
  };
  return rehearseOn(connection, defaultTurma);
}

/** Rehearses inside a transaction (read committed) and rolls back to a savepoint. */
export function rehearseIn(
  tx: TransactionSql,
  { defaultTurma }: { readonly defaultTurma?: string | undefined },
): Promise<RehearsalReport> {
  const statement = `select ${functionsSchema}.rehearse($1::text::jsonb) as failures`;
  const connection: Connection = {
    run: (work) => work(tx),
    call: async (stepsJson) => {
      const rows = await tx.savepoint((inner) => inner.unsafe<{ failures: unknown }[]>(statement, [stepsJson]));
      return rows[0]?.failures;
    },
  };
  return rehearseOn(connection, defaultTurma);
}

async function rehearseOn(connection: Connection, defaultTurma: string | undefined): Promise<RehearsalReport> {
  const labels = await connection.run(listTurmaLabels);
  // A DEFAULT_TURMA that is not a label is reported elsewhere; the rehearsal uses a valid one.
  const preferred = [defaultTurma, "neon_estrutura"].find((label) => label !== undefined && labels.includes(label));
  const turma = preferred ?? labels[0];
  if (turma === undefined) return { obstacles: [toOwnFinding("Type turma has no label. Add one.")], warnings: [] };
  const otherLabels = labels.filter((label) => label !== turma).slice(0, labelsTriedMax);
  const turmaSteps = toTurmaSteps(otherLabels, turma);

  const failures = await call(connection, [...toRehearsalSteps(turma), ...turmaSteps]);
  const described = failures.length === 0 ? [] : await connection.run((sql) => describeFailures(sql, failures));
  const isWarning = (step: string) => step === comparedStep || turmaSteps.some(({ name }) => name === step);
  const obstacles = new Map<string, RehearsalFinding>();
  const warnings = new Map<string, RehearsalFinding>();
  for (const { sentence, names, step } of described) {
    const found = isWarning(step) ? warnings : obstacles;
    // Most obstacles fail several steps; the first is enough.
    if (obstacles.has(sentence) || found.has(sentence)) continue;
    found.set(sentence, { sentence: `${sentence} Seen when ${step}.`, names });
  }
  return {
    obstacles: [...(await connection.run(findUnloggedTables)).map(toOwnFinding), ...obstacles.values()],
    warnings: [...(await connection.run(findUniqueEmails)), ...warnings.values()],
  };
}

/** An error of the call itself becomes its only failure. */
async function call(connection: Connection, steps: readonly object[]): Promise<RehearsalFailure[]> {
  try {
    return (await connection.call(JSON.stringify(steps))) as RehearsalFailure[];
  } catch (error) {
    if (isBusy(error))
      throw new AppError(
        "unavailable",
        "The rehearsal needs a lock that another transaction holds, or it took too long.",
        { cause: error },
      );
    if (!isPostgresError(error) || isTransient(error)) throw error;
    const { code, message, where } = error;
    return [{ step: "the functions are called", code, message, context: where ?? "" }];
  }
}

/** Unique indexes on the address. The rehearsal's addresses are unique, so only the catalogue shows them. */
async function findUniqueEmails(tx: ISql): Promise<RehearsalFinding[]> {
  const rows = await tx<{ name: string }[]>`
    select ic.relname as name
    from pg_index i join pg_class ic on ic.oid = i.indexrelid
      join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname = 'users' and (i.indisunique or i.indisexclusion)
      and exists (select from generate_series(1, i.indnkeyatts) k
                  where pg_get_indexdef(i.indexrelid, k, true) ~ '\\memail\\M')
    order by 1`;
  return rows.map(({ name }) =>
    toOwnFinding(
      `Table users: the address is unique (${name}), so a user who takes over another's address is answered 503 (refused) until the event that frees the address has been applied.`,
    ),
  );
}

/** A finding whose sentence contains no text of Postgres. */
function toOwnFinding(sentence: string): RehearsalFinding {
  return { sentence, names: sentence };
}
