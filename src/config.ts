import type { z } from "zod";
import { configSchema } from "./configSchema.ts";
import type { Dsn } from "./store/connection/dsn.ts";

/** Used unless `EVENT_RETENTION_DAYS` is longer. */
const ledgerRetentionDaysDefault = 365;

/** Everything configurable, parsed once. `undefined`: not configured. */
export interface Config {
  /** `DATABASE_URL` */
  readonly dsn: Dsn | undefined;
  /** Direct connection for migrations: `DATABASE_URL_UNPOOLED`, else `DATABASE_URL`. */
  readonly migrationDsn: Dsn | undefined;
  readonly databasePoolMax: number;
  /** Any of them may have signed a webhook. */
  readonly webhookSecrets: readonly string[];
  readonly clerkSecretKey: string | undefined;
  readonly clerkApiUrl: string;
  /** Verifies nothing by itself; `doctor` compares its environment with the secret key's. */
  readonly clerkPublishableKey: string | undefined;
  /** PEM */
  readonly clerkJwtKey: string | undefined;
  readonly clerkAuthorizedParties: readonly string[];
  readonly clerkInstanceId: string | undefined;
  /** Origins whose pages may call `/api/trpc`. */
  readonly corsOrigins: readonly string[];
  readonly adminApiToken: string | undefined;
  /** Undefined: `neon_estrutura`, or the only label of the enum. */
  readonly defaultTurma: string | undefined;
  /** How long the payload of a settled event is kept. */
  readonly eventRetentionDays: number;
  /** How long the row of a settled event is kept; 0: for ever. */
  readonly ledgerRetentionDays: number;
  /** 0: no scheduled reconcile. */
  readonly reconcileEveryMinutes: number;
  readonly port: number;
  readonly host: string;
  readonly logLevel: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  readonly logFormat: "pretty" | "json";
  readonly otelExporterOtlpEndpoint: string | undefined;
}

/** A configuration with everything that `start` needs. */
export interface StartConfig extends Config {
  readonly dsn: Dsn;
  readonly migrationDsn: Dsn;
  readonly webhookSecrets: readonly [string, ...string[]];
}

/** A variable, and what is wrong with it; never its value. */
export interface ConfigProblem {
  readonly name: string;
  readonly message: string;
}

/** Configuration that is missing or malformed: every problem, names only, never a value. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      `The configuration is not usable:\n${problems.map(({ name, message }) => `- ${name} ${message}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** `process.env`, or a record like it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment; pure. An empty value counts as absent.
 * @param options.mode `start` also requires the variables that a production server needs
 * @throws ConfigError with every problem at once
 */
export function parseConfig(env: Environment, options: { mode: "start"; isTty?: boolean }): StartConfig;
export function parseConfig(env: Environment, options?: { isTty?: boolean }): Config;
export function parseConfig(env: Environment, options: { mode?: "start"; isTty?: boolean } = {}): Config {
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value?.trim() ? [[name, value.trim()]] : [])),
  );
  const parsed = configSchema.safeParse(given);
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ name: path.join("."), message }))),
    ...findRetentionProblems(given),
    ...(options.mode === "start" ? findMissing(given) : []),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return toConfig(parsed.data, options.isTty ?? false);
}

/** Compares the two retentions; not in the schema, so that the result is reported together with other problems. */
function findRetentionProblems(given: Environment): ConfigProblem[] {
  const { data } = configSchema.pick({ EVENT_RETENTION_DAYS: true, LEDGER_RETENTION_DAYS: true }).safeParse(given);
  if (!data?.LEDGER_RETENTION_DAYS || data.LEDGER_RETENTION_DAYS >= data.EVENT_RETENTION_DAYS) return [];
  return [{ name: "LEDGER_RETENTION_DAYS", message: "must not be less than EVENT_RETENTION_DAYS" }];
}

/** The variables that a `StartConfig` needs and that are missing. */
function findMissing(given: Environment): ConfigProblem[] {
  const hasSecret = given["CLERK_WEBHOOK_SECRET"] ?? given["CLERK_WEBHOOK_SIGNING_SECRET"];
  const missing = [...(given["DATABASE_URL"] ? [] : ["DATABASE_URL"]), ...(hasSecret ? [] : ["CLERK_WEBHOOK_SECRET"])];
  return missing.map((name) => ({ name, message: "is missing" }));
}

function toConfig(data: z.infer<typeof configSchema>, isTty: boolean): Config {
  return {
    dsn: data.DATABASE_URL,
    migrationDsn: data.DATABASE_URL_UNPOOLED ?? data.DATABASE_URL,
    databasePoolMax: data.DATABASE_POOL_MAX,
    webhookSecrets: [...new Set([...(data.CLERK_WEBHOOK_SECRET ?? []), ...(data.CLERK_WEBHOOK_SIGNING_SECRET ?? [])])],
    clerkSecretKey: data.CLERK_SECRET_KEY,
    // The address is often copied with `/v1`, which the paths have too; with both the API answers 404.
    clerkApiUrl: data.CLERK_API_URL.replace(/\/+$/, "").replace(/\/v1$/, ""),
    clerkPublishableKey: data.CLERK_PUBLISHABLE_KEY,
    clerkJwtKey: data.CLERK_JWT_KEY,
    clerkAuthorizedParties: data.CLERK_AUTHORIZED_PARTIES,
    clerkInstanceId: data.CLERK_INSTANCE_ID,
    corsOrigins: data.CORS_ORIGINS,
    adminApiToken: data.ADMIN_API_TOKEN,
    defaultTurma: data.DEFAULT_TURMA,
    eventRetentionDays: data.EVENT_RETENTION_DAYS,
    ledgerRetentionDays: data.LEDGER_RETENTION_DAYS ?? Math.max(ledgerRetentionDaysDefault, data.EVENT_RETENTION_DAYS),
    reconcileEveryMinutes: data.RECONCILE_EVERY_MINUTES,
    port: data.PORT,
    host: data.HOST,
    logLevel: data.LOG_LEVEL,
    logFormat: data.LOG_FORMAT ?? (isTty ? "pretty" : "json"),
    otelExporterOtlpEndpoint: data.OTEL_EXPORTER_OTLP_ENDPOINT,
  };
}
