import { AppError } from "../errors.ts";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { isPostgresError } from "../store/connection/pgErrors.ts";
import { describeDsn, isLoopback, type Dsn } from "../store/connection/dsn.ts";
import { openDatabase, type Database } from "../store/connection/database.ts";
import { findSchemaState } from "../store/migration/schemaState.ts";
import { findMissingGrants } from "../store/migration/missingGrants.ts";
import { rehearse } from "../store/migration/rehearsal.ts";
import { hasFunctions } from "../store/migration/sqlFunctions.ts";
import { hasDefaultTurma } from "../store/migration/turma.ts";
import { findDatabaseAdvice } from "./findDatabaseAdvice.ts";
import { failure, ok, warning, type Check } from "./output.ts";

/** Deadline of each query; doctor as a whole ends within 20 s. */
const queryDeadlineMs = 6_000;
const rehearsalDeadlineMs = 4_000;

/** Checks DATABASE_URL and the database behind it. Stops at the first query that fails. */
export async function checkDatabase(config: Config, log: Log): Promise<Check[]> {
  const { dsn } = config;
  if (dsn === undefined) {
    return [failure("database URL", "DATABASE_URL is missing: copy the connection string from the Neon console")];
  }
  const checks = [
    ok("database URL", describeDsn(dsn).join("; ")),
    checkTls(dsn),
    checkMigrationUrl(config.migrationDsn ?? dsn, dsn),
  ];
  const database = openDatabase({ dsn, databasePoolMax: 1 }, { log });
  // Each query needs the ones before it.
  const queries: [string, (database: Database) => Promise<Check[]>][] = [
    ["database", checkServer],
    ["migrations", (asked) => checkSchema(asked, config.defaultTurma)],
    ["rights", checkRights],
    ["rehearsal", (asked) => checkRehearsal(asked, config.defaultTurma)],
  ];
  try {
    for (const [name, ask] of queries) {
      try {
        const lacksRights = checks.some((one) => one.name === "rights" && one.status === "failure");
        checks.push(
          ...(name === "rehearsal" && lacksRights
            ? [warning(name, "not run: it needs the rights that are missing")]
            : await ask(database)),
        );
      } catch (error) {
        const advice = toAdvice(error);
        return [...checks, failure(name, name === "database" ? advice : `cannot be checked: ${advice}`)];
      }
    }
  } finally {
    await database.close();
  }
  return checks;
}

function checkTls(dsn: Dsn): Check {
  if (dsn.tls === "verified") return ok("TLS", "on, and the server's certificate is verified");
  if (dsn.tls === "unverified") return ok("TLS", "on, unverified: the host is this machine");
  if (dsn.tls === "off" && isLoopback(dsn.host)) return ok("TLS", "off: the host is this machine");
  return warning("TLS", "not enforced: add sslmode=require to DATABASE_URL");
}

function checkMigrationUrl(direct: Dsn, dsn: Dsn): Check {
  const name = "migration URL";
  if (direct.pooled) {
    return warning(name, "goes through the pooler: set DATABASE_URL_UNPOOLED to the same string without -pooler");
  }
  if (direct.database !== dsn.database) {
    return warning(name, `DATABASE_URL_UNPOOLED names database ${direct.database}, DATABASE_URL ${dsn.database}`);
  }
  return ok(name, `direct, host ${direct.host}`);
}

async function checkServer(database: Database): Promise<Check[]> {
  const startedAtMs = performance.now();
  const [found] = await database.run(
    (sql) => sql<{ version: string; isReadOnly: boolean }[]>`
      select current_setting('server_version') as version,
             pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as "isReadOnly"`,
    { deadlineMs: queryDeadlineMs },
  );
  const ms = Math.round(performance.now() - startedAtMs);
  if (found?.isReadOnly) {
    return [failure("database", "is read-only: use the URL of the primary, without default_transaction_read_only")];
  }
  return [ok("database", `Postgres ${found?.version ?? ""} answered in ${ms} ms`)];
}

async function checkSchema(database: Database, defaultTurma: string | undefined): Promise<Check[]> {
  const { pending, turmaLabels } = await database.run(findSchemaState, { deadlineMs: queryDeadlineMs });
  return [
    pending.length === 0
      ? ok("migrations", "all applied")
      : failure("migrations", `not applied: ${pending.join(", ")}; run \`bun run db:migrate\``),
    hasDefaultTurma(turmaLabels, defaultTurma)
      ? ok("turma", `there is a class for new mentorados (labels of the enum: ${turmaLabels.join(", ")})`)
      : failure(
          "turma",
          turmaLabels.length === 0
            ? "the enum turma is not there yet; run `bun run db:migrate`"
            : `DEFAULT_TURMA is no label of the enum turma: set it to one of ${turmaLabels.join(", ")}`,
        ),
  ];
}

/** The rights of the server's role, including those that no rehearsal needs: runs and retention. */
async function checkRights(database: Database): Promise<Check[]> {
  const missing = await database.run(findMissingGrants, { deadlineMs: queryDeadlineMs });
  return missing.length > 0
    ? missing.map(({ sentence }) => failure("rights", sentence))
    : [ok("rights", "the role has every right that the server needs")];
}

/** Sends made-up users through the real functions with the server's own role, and rolls all of it back. */
async function checkRehearsal(database: Database, defaultTurma: string | undefined): Promise<Check[]> {
  const name = "rehearsal";
  const deadlineMs = rehearsalDeadlineMs;
  const isMigrated = await database.run(hasFunctions, { deadlineMs });
  const report = isMigrated ? await rehearse(database, { defaultTurma, deadlineMs }) : undefined;
  if (report === undefined) return [warning(name, "not run: the migrations come first")];
  const found = [
    ...report.obstacles.map((one) => failure(name, one.sentence)),
    ...report.warnings.map((one) => warning(name, one.sentence)),
  ];
  if (found.length > 0) return found;
  return [ok(name, "made-up users were stored, linked and deleted, without an obstacle; all of it was rolled back")];
}

/** Shows Postgres' own message if no advice is known: it may name roles and hosts, never a password. */
function toAdvice(error: unknown): string {
  const known = findDatabaseAdvice(error);
  if (known !== undefined) return known;
  const cause = error instanceof AppError ? error.cause : error;
  if (!(cause instanceof Error)) {
    return `did not answer within ${queryDeadlineMs / 1000} s: check host, port and firewall, and that it is not stuck starting up`;
  }
  if (isPostgresError(cause)) return `answered with an error: ${cause.message} (${cause.code})`;
  return `cannot be reached (${cause.message}): check host, port and network access`;
}
