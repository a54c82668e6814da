import { z } from "zod";
import { parseJwtKey } from "./auth/parseJwtKey.ts";
import { parseDsn, type Dsn } from "./store/connection/dsn.ts";

/** Shorter tokens can be guessed. */
const adminTokenCharsMin = 32;
/** Svix itself accepts a key of one byte; Clerk's have 24. */
const secretBytesMin = 24;
/** A JavaScript timer holds 2^31 - 1 ms and fires at once beyond; a longer interval is taken as this one. */
const reconcileEveryMinutesMax = 35_791;
/** The moment that far back still has a positive year, so that its ISO text stays plain. */
const eventRetentionDaysMax = 700_000;

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
  readonly clerkPublishableKey: string | undefined;
  /** PEM */
  readonly clerkJwtKey: string | undefined;
  readonly clerkAuthorizedParties: readonly string[];
  readonly clerkInstanceId: string | undefined;
  readonly adminApiToken: string | undefined;
  readonly defaultTurma: string;
  readonly eventRetentionDays: number;
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

/** `parse` throws an Error whose message says what is wrong, without the value. */
const parsedBy = <T>(parse: (text: string) => T) =>
  z.string().transform((text, ctx) => {
    try {
      return parse(text);
    } catch (cause) {
      ctx.addIssue(cause instanceof Error ? cause.message : "is malformed");
      return z.NEVER;
    }
  });
const secrets = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter(Boolean))
  .superRefine((list, ctx) => {
    if (list.length === 0 || !list.every(isWebhookSecret))
      ctx.addIssue("must be whsec_ and base64 of at least 24 bytes, or several of these");
  });
const numberText = (message: string) =>
  z
    .string()
    .regex(/^\d+(?:\.\d+)?$/, message)
    .transform(Number);
const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });
const wholeNumber = "must be a whole number";

export type Environment = Readonly<Record<string, string | undefined>>;

export const logLevelSchema = z.enum(
  ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
  "must be fatal, error, warn, info, debug, trace or silent",
);

const schema = z.object({
  DATABASE_URL: parsedBy(parseDsn).optional(),
  DATABASE_URL_UNPOOLED: parsedBy(parseDsn).optional(),
  DATABASE_POOL_MAX: numberText(wholeNumber)
    .pipe(z.int(wholeNumber).min(1, "must be at least 1").max(1000, "must be at most 1000"))
    .default(10),
  CLERK_WEBHOOK_SECRET: secrets.optional(),
  CLERK_WEBHOOK_SIGNING_SECRET: secrets.optional(),
  CLERK_SECRET_KEY: z
    .string()
    .regex(/^sk_\S+$/, "must begin with sk_ and have no white space")
    .optional(),
  CLERK_API_URL: httpUrl.default("https://api.clerk.com"),
  CLERK_PUBLISHABLE_KEY: z.string().regex(/^pk_/, "must begin with pk_").optional(),
  CLERK_JWT_KEY: parsedBy(parseJwtKey).optional(),
  CLERK_AUTHORIZED_PARTIES: z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter(Boolean))
    // The SDK takes an empty list for "any party", the contrary of what somebody who wrote a comma meant.
    .refine((list) => list.length > 0, "must name at least one origin")
    .default([]),
  CLERK_INSTANCE_ID: z.string().optional(),
  ADMIN_API_TOKEN: z
    .string()
    .min(adminTokenCharsMin, `must have at least ${adminTokenCharsMin} characters`)
    .regex(/^\S+$/, "must not contain white space")
    .optional(),
  DEFAULT_TURMA: z.string().default("neon_estrutura"),
  EVENT_RETENTION_DAYS: numberText("must be a number of days")
    .pipe(
      z.number().positive("must be more than 0").max(eventRetentionDaysMax, `must be at most ${eventRetentionDaysMax}`),
    )
    .default(30),
  RECONCILE_EVERY_MINUTES: numberText("must be a number of minutes, or 0")
    .transform((minutes) => Math.min(minutes, reconcileEveryMinutesMax))
    .default(60),
  PORT: numberText(wholeNumber).pipe(z.int(wholeNumber).max(65535, "must be at most 65535")).default(3000),
  HOST: z.string().default("0.0.0.0"),
  LOG_LEVEL: logLevelSchema.default("info"),
  LOG_FORMAT: z.enum(["pretty", "json"], "must be pretty or json").optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
});

/**
 * Reads the environment; pure. An empty value counts as absent.
 * @param options.mode `start` also demands what a production server cannot do without
 * @throws ConfigError with every problem at once
 */
export function parseConfig(env: Environment, options: { mode: "start"; isTty?: boolean }): StartConfig;
export function parseConfig(env: Environment, options?: { isTty?: boolean }): Config;
export function parseConfig(env: Environment, options: { mode?: "start"; isTty?: boolean } = {}): Config {
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value?.trim() ? [[name, value.trim()]] : [])),
  );
  const parsed = schema.safeParse(given);
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.map(({ path, message }) => ({ name: path.join("."), message }))),
    ...(options.mode === "start" ? findMissing(given) : []),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return toConfig(parsed.data, options.isTty ?? false);
}

/** With these `toConfig` makes a `StartConfig`. */
function findMissing(given: Environment): ConfigProblem[] {
  const hasSecret = given["CLERK_WEBHOOK_SECRET"] ?? given["CLERK_WEBHOOK_SIGNING_SECRET"];
  const missing = [...(given["DATABASE_URL"] ? [] : ["DATABASE_URL"]), ...(hasSecret ? [] : ["CLERK_WEBHOOK_SECRET"])];
  return missing.map((name) => ({ name, message: "is missing" }));
}

function toConfig(data: z.infer<typeof schema>, isTty: boolean): Config {
  return {
    dsn: data.DATABASE_URL,
    migrationDsn: data.DATABASE_URL_UNPOOLED ?? data.DATABASE_URL,
    databasePoolMax: data.DATABASE_POOL_MAX,
    webhookSecrets: [...new Set([...(data.CLERK_WEBHOOK_SECRET ?? []), ...(data.CLERK_WEBHOOK_SIGNING_SECRET ?? [])])],
    clerkSecretKey: data.CLERK_SECRET_KEY,
    // Often given with the version, which the paths have: asked twice for it, an API that is healthy answers 404 to all.
    clerkApiUrl: data.CLERK_API_URL.replace(/\/+$/, "").replace(/\/v1$/, ""),
    clerkPublishableKey: data.CLERK_PUBLISHABLE_KEY,
    clerkJwtKey: data.CLERK_JWT_KEY,
    clerkAuthorizedParties: data.CLERK_AUTHORIZED_PARTIES,
    clerkInstanceId: data.CLERK_INSTANCE_ID,
    adminApiToken: data.ADMIN_API_TOKEN,
    defaultTurma: data.DEFAULT_TURMA,
    eventRetentionDays: data.EVENT_RETENTION_DAYS,
    reconcileEveryMinutes: data.RECONCILE_EVERY_MINUTES,
    port: data.PORT,
    host: data.HOST,
    logLevel: data.LOG_LEVEL,
    logFormat: data.LOG_FORMAT ?? (isTty ? "pretty" : "json"),
    otelExporterOtlpEndpoint: data.OTEL_EXPORTER_OTLP_ENDPOINT,
  };
}

function isWebhookSecret(secret: string): boolean {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  return encoded !== undefined && encoded.length % 4 === 0 && Buffer.from(encoded, "base64").length >= secretBytesMin;
}
