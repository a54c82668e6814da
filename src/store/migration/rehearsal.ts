import type { ISql, TransactionSql } from "postgres";
import { AppError } from "../../errors.ts";
import type { Database } from "../connection/database.ts";
import { isLocked, isPostgresError, isTransient } from "../connection/pgErrors.ts";
import { describeFailures, type RehearsalFailure, type RehearsalFinding } from "./rehearsalFailures.ts";
import { comparedStep, toRehearsalSteps, toTurmaSteps } from "./rehearsalSteps.ts";
import { functionsSchema } from "./sqlFunctions.ts";
import { listTurmaLabels } from "./turma.ts";
import { findUnloggedTables } from "./unloggedTables.ts";

/** What a rehearsal found. */
export interface RehearsalReport {
  /** What would refuse or break deliveries. */
  readonly obstacles: readonly RehearsalFinding[];
  /** What would hold up some of them for a while. */
  readonly warnings: readonly RehearsalFinding[];
}

/** Labels beyond these are not tried. */
const labelsTriedMax = 50;

/** How a rehearsal asks. */
interface Stage {
  readonly run: <T>(work: (sql: ISql) => Promise<T>) => Promise<T>;
  /** Calls the SQL function `rehearse`. */
  readonly call: (stepsJson: string) => Promise<unknown>;
}

/**
 * Lets made-up users go through this version's functions as the server calls them, with the role and the settings of
 * its connections, and undoes all of it: nothing stays but sequence values that are used up, and what a trigger does
 * outside of the transaction. Takes the writer's lock for some 50 ms. No transaction is held open from here: one whose
 * connection ends would leave a statement behind that postgres.js writes to no socket, which ends the process.
 * @throws AppError `unavailable` if the database is busy, away or going down: nothing is known then
 */
export function rehearse(
  database: Database,
  { defaultTurma, deadlineMs }: { readonly defaultTurma?: string | undefined; readonly deadlineMs: number },
): Promise<RehearsalReport> {
  const stage: Stage = {
    run: (work) => database.run(work, { deadlineMs }),
    call: (stepsJson) => database.callFunction("rehearse", stepsJson, { deadlineMs }),
  };
  return rehearseOn(stage, defaultTurma);
}

/** The same inside a transaction at read committed, which it leaves as it was. */
export function rehearseIn(
  tx: TransactionSql,
  { defaultTurma }: { readonly defaultTurma?: string | undefined },
): Promise<RehearsalReport> {
  const statement = `select ${functionsSchema}.rehearse($1::text::jsonb) as failures`;
  const stage: Stage = {
    run: (work) => work(tx),
    call: async (stepsJson) => {
      const rows = await tx.savepoint((inner) => inner.unsafe<{ failures: unknown }[]>(statement, [stepsJson]));
      return rows[0]?.failures;
    },
  };
  return rehearseOn(stage, defaultTurma);
}

async function rehearseOn(stage: Stage, defaultTurma: string | undefined): Promise<RehearsalReport> {
  const labels = await stage.run(listTurmaLabels);
  // One that is no label is a warning elsewhere; what it holds up is not tried with it.
  const preferred = [defaultTurma, "neon_estrutura"].find((label) => label !== undefined && labels.includes(label));
  const turma = preferred ?? labels[0];
  if (turma === undefined) return { obstacles: [toOwnFinding("Type turma has no label. Add one.")], warnings: [] };
  const otherLabels = labels.filter((label) => label !== turma).slice(0, labelsTriedMax);
  const turmaSteps = toTurmaSteps(otherLabels, turma);

  const failures = await call(stage, [...toRehearsalSteps(turma), ...turmaSteps]);
  const described = failures.length === 0 ? [] : await stage.run((sql) => describeFailures(sql, failures));
  const isWarning = (step: string) => step === comparedStep || turmaSteps.some(({ name }) => name === step);
  const obstacles = new Map<string, RehearsalFinding>();
  const warnings = new Map<string, RehearsalFinding>();
  for (const { sentence, names, step } of described) {
    const found = isWarning(step) ? warnings : obstacles;
    // Most obstacles are in the way of several steps; the first says enough.
    if (obstacles.has(sentence) || found.has(sentence)) continue;
    found.set(sentence, { sentence: `${sentence} Seen when ${step}.`, names });
  }
  return {
    obstacles: [...(await stage.run(findUnloggedTables)).map(toOwnFinding), ...obstacles.values()],
    warnings: [...(await stage.run(findUniqueEmails)), ...warnings.values()],
  };
}

/** Where not even the call is possible, its error is the one failure. */
async function call(stage: Stage, steps: readonly object[]): Promise<RehearsalFailure[]> {
  try {
    return (await stage.call(JSON.stringify(steps))) as RehearsalFailure[];
  } catch (error) {
    if (isLocked(error))
      throw new AppError("unavailable", "Another transaction holds what is needed.", { cause: error });
    if (!isPostgresError(error) || isTransient(error)) throw error;
    const { code, message, where } = error;
    return [{ step: "the functions are called", code, message, context: where ?? "" }];
  }
}

/** The rehearsal's own addresses are unique: only the catalogue tells. */
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
      `Table users: the address is unique (${name}), so a user who takes over another's address waits, answered 503 (refused), until the event that frees it has been applied.`,
    ),
  );
}

/** Of a sentence that has no word of Postgres in it. */
function toOwnFinding(sentence: string): RehearsalFinding {
  return { sentence, names: sentence };
}
