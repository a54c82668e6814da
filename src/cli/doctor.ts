import { AppError } from "../errors.ts";
import { createClerkApi } from "../clerk/createClerkApi.ts";
import { ConfigError, parseConfig, type Config } from "../config.ts";
import type { Log } from "../log.ts";
import { describeDsn, parseDsn, type Dsn } from "../store/dsn.ts";
import { openDatabase, type Database } from "../store/database.ts";
import { findPendingMigrations } from "../store/migrate.ts";
import { findTurmaLabels } from "../store/turmaLabels.ts";
import type { Environment } from "./cliContext.ts";

/** Everything together ends within 20 s. */
const databaseDeadlineMs = 6_000;
const clerkDeadlineMs = 8_000;

export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failure";
  /** What is, and what to do about it. Never a secret. */
  readonly message: string;
}

/** Looks at everything a server needs, one check after the other, and says what to do about what is wrong. */
export async function runDoctor(env: Environment, log: Log): Promise<Check[]> {
  const { config, problems } = readConfig(env);
  const checks: Check[] = [
    problems.length === 0
      ? ok("configuration", "every variable is well-formed")
      : failure("configuration", problems.join("; ")),
  ];
  if (config === null) return checks;
  checks.push(...(await checkDatabase(config, log)));
  checks.push(await checkClerkKey(config, log));
  checks.push(
    config.webhookSecrets.length > 0
      ? ok("webhook secret", `${config.webhookSecrets.length} configured`)
      : failure(
          "webhook secret",
          "CLERK_WEBHOOK_SECRET is missing: copy the signing secret of the endpoint from the Clerk dashboard",
        ),
  );
  return checks;
}

function readConfig(env: Environment): { config: Config | null; problems: readonly string[] } {
  try {
    return { config: parseConfig(env), problems: [] };
  } catch (error) {
    if (error instanceof ConfigError) return { config: null, problems: error.problems };
    throw error;
  }
}

async function checkDatabase(config: Config, log: Log): Promise<Check[]> {
  if (config.databaseUrl === undefined) {
    return [failure("database URL", "DATABASE_URL is missing: copy the connection string from the Neon console")];
  }
  const dsn = parseDsn(config.databaseUrl);
  const checks = [ok("database URL", describeDsn(dsn).join("; ")), checkTls(dsn)];
  const database = openDatabase({ url: config.databaseUrl, poolMax: 1, log });
  try {
    const startedAt = performance.now();
    const version = await database.run(
      (sql) => sql<{ version: string }[]>`select current_setting('server_version') as version`,
      {
        deadlineMs: databaseDeadlineMs,
      },
    );
    checks.push(
      ok(
        "database",
        `Postgres ${version[0]?.version ?? "?"} answered in ${Math.round(performance.now() - startedAt)} ms`,
      ),
    );
    checks.push(...(await checkSchema(database, config.defaultTurma)));
  } catch (error) {
    checks.push(failure("database", toAdvice(error)));
  } finally {
    await database.close();
  }
  return checks;
}

function checkTls(dsn: Dsn): Check {
  if (dsn.tls === "verified") return ok("TLS", "on, and the server's certificate is verified");
  if (dsn.tls === "unverified") return ok("TLS", "on, unverified: the host is this machine");
  if (dsn.tls === "off" && /^(?:localhost|127\.|::1)/.test(dsn.host)) return ok("TLS", "off: the host is this machine");
  return { name: "TLS", status: "warning", message: "not enforced: add sslmode=require to DATABASE_URL" };
}

async function checkSchema(database: Database, defaultTurma: string): Promise<Check[]> {
  const [pending, labels] = await database.run(
    async (sql) => [await findPendingMigrations(sql), await findTurmaLabels(sql)] as const,
    { deadlineMs: databaseDeadlineMs },
  );
  return [
    pending.length === 0
      ? ok("migrations", "all applied")
      : failure("migrations", `not applied: ${pending.join(", ")}; run \`bun run db:migrate\``),
    labels.includes(defaultTurma)
      ? ok("turma", `DEFAULT_TURMA is a label of the enum (${labels.join(", ")})`)
      : failure(
          "turma",
          `DEFAULT_TURMA is no label of the enum turma (${labels.join(", ") || "the enum is not there yet"})`,
        ),
  ];
}

async function checkClerkKey(config: Config, log: Log): Promise<Check> {
  const name = "Clerk key";
  if (config.clerkSecretKey === undefined) {
    return {
      name,
      status: "warning",
      message: "CLERK_SECRET_KEY is missing: re-sync, backfill and reconcile will not work",
    };
  }
  const clerk = createClerkApi({ secretKey: config.clerkSecretKey, apiUrl: config.clerkApiUrl, log });
  try {
    const users = await clerk.countUsers(AbortSignal.timeout(clerkDeadlineMs));
    return ok(name, `Clerk answered; the instance has ${users} users`);
  } catch (error) {
    return failure(name, error instanceof AppError ? error.message : "Clerk did not answer in time");
  }
}

/** The database's own words are for people who run the command; they name roles and hosts, never a password. */
function toAdvice(error: unknown): string {
  const cause = error instanceof AppError ? (error.cause ?? error) : error;
  const { code, message } = (cause ?? {}) as { code?: string; message?: string };
  const advice: Readonly<Record<string, string>> = {
    "28P01": "the password is wrong: copy the connection string again",
    "28000": "the user may not log in: check user and password",
    "3D000": "the database does not exist: check its name in the URL",
    ENOTFOUND: "the host name is unknown: check the URL",
    ECONNREFUSED: "nothing listens there: check host and port, and that the database is running",
  };
  return advice[code ?? ""] ?? `cannot be reached (${message ?? "no answer"}): check host, port and network access`;
}

function ok(name: string, message: string): Check {
  return { name, status: "ok", message };
}

function failure(name: string, message: string): Check {
  return { name, status: "failure", message };
}
