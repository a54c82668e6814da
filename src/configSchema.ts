import { z } from "zod";
import { parseJwtKey } from "./auth/parseJwtKey.ts";
import { parseOrigins } from "./http/parseOrigins.ts";
import { parseDsn } from "./store/connection/dsn.ts";

/** Shorter tokens can be guessed. */
const adminTokenCharsMin = 32;
/** Svix itself accepts a key of one byte; Clerk's have 24. */
const secretBytesMin = 24;
/** A JavaScript timer holds 2^31 - 1 ms and fires at once beyond; a longer interval is taken as this one. */
const reconcileEveryMinutesMax = 35_791;
/** A date this many days ago still has a positive year, which ISO 8601 needs. */
const retentionDaysMax = 700_000;
/** Svix retries for 27 hours, and an operator can recover messages for some days: their rows identify duplicates. */
const ledgerRetentionDaysMin = 7;

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

/** The command line parses `LOG_LEVEL` before the rest. */
export const logLevelSchema = z.enum(
  ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
  "must be fatal, error, warn, info, debug, trace or silent",
);

/** The form and default of each variable, and the message if it is malformed, which never contains the value. */
export const configSchema = z.object({
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
    // The SDK reads an empty list as "any party", the opposite of what a lone comma means.
    .refine((list) => list.length > 0, "must name at least one origin")
    .default([]),
  CLERK_INSTANCE_ID: z.string().optional(),
  CORS_ORIGINS: parsedBy(parseOrigins).default([]),
  ADMIN_API_TOKEN: z
    .string()
    .min(adminTokenCharsMin, `must have at least ${adminTokenCharsMin} characters`)
    .regex(/^\S+$/, "must not contain white space")
    .optional(),
  DEFAULT_TURMA: z.string().optional(),
  EVENT_RETENTION_DAYS: numberText("must be a number of days")
    .pipe(z.number().positive("must be more than 0").max(retentionDaysMax, `must be at most ${retentionDaysMax}`))
    .default(30),
  LEDGER_RETENTION_DAYS: numberText("must be a number of days, or 0")
    .pipe(z.number().max(retentionDaysMax, `must be at most ${retentionDaysMax}`))
    .refine(
      (days) => days === 0 || days >= ledgerRetentionDaysMin,
      `must be at least ${ledgerRetentionDaysMin}, or 0 for ever`,
    )
    .optional(),
  RECONCILE_EVERY_MINUTES: numberText("must be a number of minutes, or 0")
    .transform((minutes) => Math.min(minutes, reconcileEveryMinutesMax))
    .default(60),
  PORT: numberText(wholeNumber).pipe(z.int(wholeNumber).max(65535, "must be at most 65535")).default(3000),
  HOST: z.string().default("0.0.0.0"),
  LOG_LEVEL: logLevelSchema.default("info"),
  LOG_FORMAT: z.enum(["pretty", "json"], "must be pretty or json").optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
});

function isWebhookSecret(secret: string): boolean {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  return encoded !== undefined && encoded.length % 4 === 0 && Buffer.from(encoded, "base64").length >= secretBytesMin;
}
