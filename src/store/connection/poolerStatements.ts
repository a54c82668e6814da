import type { Sql } from "postgres";
import type { Log } from "../../log.ts";
import { isStartingUp, isStatementLost, isTransient } from "./pgErrors.ts";
import { neverSentCode } from "./watchSocket.ts";

/** Decides whether prepared statements are used through a pooler, and sets `sql.options.prepare`. */
export interface PoolerStatements {
  /**
   * Await it before each use of the pool; the first call costs one round trip. If the statement that asks fails with the
   * deadline or the connection of the call that sent it, the other calls get an error that allows an immediate retry.
   */
  readonly decide: () => Promise<void>;
  /** Whether the pooler has lost the call's statement, which was then not run. Ends the use of prepared statements. */
  readonly endIfLost: (error: unknown) => boolean;
}

/**
 * Asks the pooler once whether it keeps prepared statements. PgBouncer does from 1.21 on, if `max_prepared_statements` is
 * set, as at Neon; its statements have names of its own on the server (`PGBOUNCER_…`), while an older one passes on the
 * client's (pgbouncer.org/config.html, `max_prepared_statements`). So one statement on one connection shows it. A trial
 * would prove nothing: no statement is lost as long as the pooler happens to use the same server connection. If the
 * default isolation level is not read committed, none is used either: each prepared function call would be followed by an
 * unprepared one, see `callFunction`.
 */
export function createPoolerStatements(sql: Sql, log: Log): PoolerStatements {
  const options = sql.options as { prepare: boolean };
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    options.prepare = true;
    let isKept = false;
    try {
      // This statement finds itself by its text.
      const [row] = await sql<{ kept: boolean }[]>`
        select coalesce(bool_and(starts_with(name, 'PGBOUNCER_')), false)
          and current_setting('transaction_isolation') = 'read committed' as kept
        from pg_prepared_statements
        where strpos(statement, 'asked once by each pool of clerk-neon-sync') > 0`;
      isKept = row?.kept === true;
    } catch (cause) {
      // Any other error than a failed connection: the pooler refuses prepared statements.
      if (!isTransient(cause) || isStatementLost(cause)) return;
      asking = undefined;
      throw cause;
    } finally {
      options.prepare = isKept;
    }
  }

  return {
    decide: () => {
      if (asking) return asking.catch(throwNeverSent);
      asking = ask();
      return asking;
    },
    endIfLost: (error) => {
      if (!isStatementLost(error)) return false;
      if (options.prepare)
        log.warn({ err: error }, "[Database] The pooler has lost a prepared statement; from now on none is used");
      options.prepare = false;
      return true;
    },
  };
}

/** For a call that waited for another call's statement, and has sent nothing itself. */
function throwNeverSent(cause: unknown): never {
  if (isStartingUp(cause)) throw cause;
  throw Object.assign(new Error("Postgres: nothing was sent", { cause }), { code: neverSentCode });
}
