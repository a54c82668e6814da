import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { ConfigError, parseConfig } from "../../src/config.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";

const secret = (fill: number, byteCount = 24) => `whsec_${Buffer.alloc(byteCount, fill).toString("base64")}`;
const databaseUrl =
  "postgresql://owner:pa55-hidden@ep-cool-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require";
const start = { mode: "start" } as const;

/** A line each, as the message has them. */
function problemsOf(env: Record<string, string>, options?: typeof start): readonly string[] {
  try {
    if (options) parseConfig(env, options);
    else parseConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.problems.map(({ name, message }) => `${name} ${message}`);
    for (const line of lines) expect(error.message).toContain(line);
    return lines;
  }
}

test("an empty environment gives the documented defaults", () => {
  // Without a default turma the database chooses one among the labels of its enum.
  expect(parseConfig({}).defaultTurma).toBeUndefined();
  expect(parseConfig({})).toMatchObject({
    databasePoolMax: 10,
    webhookSecrets: [],
    clerkApiUrl: "https://api.clerk.com",
    clerkAuthorizedParties: [],
    eventRetentionDays: 30,
    ledgerRetentionDays: 365,
    reconcileEveryMinutes: 60,
    port: 3000,
    host: "0.0.0.0",
    logLevel: "info",
    logFormat: "json",
  });
});

test("the log is pretty on a terminal unless it is told otherwise", () => {
  expect(parseConfig({}, { isTty: true }).logFormat).toBe("pretty");
  expect(parseConfig({ LOG_FORMAT: "json" }, { isTty: true }).logFormat).toBe("json");
});

test("start requires a database and a webhook secret, and reports both at once", () => {
  expect(problemsOf({}, start)).toEqual(["DATABASE_URL is missing", "CLERK_WEBHOOK_SECRET is missing"]);
  expect(problemsOf({ DATABASE_URL: "  ", CLERK_WEBHOOK_SECRET: "" }, start)).toHaveLength(2);
  expect(problemsOf({ DATABASE_URL: databaseUrl, CLERK_WEBHOOK_SIGNING_SECRET: secret(1) }, start)).toEqual([]);
});

test("several webhook secrets in both variables are all taken, each once", () => {
  const env = {
    CLERK_WEBHOOK_SECRET: ` ${secret(1)}, ${secret(2)}\n${secret(3)} `,
    CLERK_WEBHOOK_SIGNING_SECRET: `${secret(4)},${secret(1)}`,
  };
  expect(parseConfig(env).webhookSecrets).toEqual([secret(1), secret(2), secret(3), secret(4)]);
});

test("the direct URL is for migrations, the other where there is none", () => {
  const pooled = parseConfig({ DATABASE_URL: databaseUrl });
  expect(pooled.dsn).toEqual(parseDsn(databaseUrl));
  expect(pooled.migrationDsn).toEqual(parseDsn(databaseUrl));
  const direct = databaseUrl.replace("-pooler", "");
  expect(parseConfig({ DATABASE_URL: databaseUrl, DATABASE_URL_UNPOOLED: direct })).toMatchObject({
    dsn: { pooled: true },
    migrationDsn: { pooled: false },
  });
});

test("Clerk's address may have its version, and a key any characters that are no space", () => {
  for (const given of ["http://clerk.test/v1", "http://clerk.test/v1/", "http://clerk.test//"]) {
    expect(parseConfig({ CLERK_API_URL: given }).clerkApiUrl).toBe("http://clerk.test");
  }
  expect(parseConfig({ CLERK_SECRET_KEY: "sk_test_a-b.c+/=" }).clerkSecretKey).toBe("sk_test_a-b.c+/=");
  expect(problemsOf({ CLERK_SECRET_KEY: "sk_test a" })).toHaveLength(1);
});

test("white space around a value does not count and an empty value is none", () => {
  expect(parseConfig({ PORT: " 8080 ", HOST: "", DEFAULT_TURMA: " t1 " })).toMatchObject({
    port: 8080,
    host: "0.0.0.0",
    defaultTurma: "t1",
  });
  expect(parseConfig({ DEFAULT_TURMA: "  " }).defaultTurma).toBeUndefined();
});

test("fractions of days and minutes are taken, and the scheduled reconcile can be off", () => {
  expect(parseConfig({ EVENT_RETENTION_DAYS: "0.5", RECONCILE_EVERY_MINUTES: "0.05" })).toMatchObject({
    eventRetentionDays: 0.5,
    reconcileEveryMinutes: 0.05,
  });
  expect(parseConfig({ RECONCILE_EVERY_MINUTES: "0" }).reconcileEveryMinutes).toBe(0);
});

test("an interval longer than a timer can hold stays one that a timer can hold", () => {
  const { reconcileEveryMinutes } = parseConfig({ RECONCILE_EVERY_MINUTES: "999999999" });
  expect(reconcileEveryMinutes * 60_000).toBeLessThan(2 ** 31);
});

const pem = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" });

test.each([
  ["as the dashboard shows it", pem],
  ["with its line breaks spelled out", pem.replaceAll("\n", "\\n")],
  ["with spaces for line breaks", pem.replaceAll("\n", " ")],
  ["with CRLF", pem.replaceAll("\n", "\r\n")],
])("a JWT key is taken %s", (_, value) => {
  expect(parseConfig({ CLERK_JWT_KEY: value }).clerkJwtKey).toBe(pem.trim());
});

const privatePem = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
  type: "pkcs8",
  format: "pem",
});
const ecPem = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "pem" });

test.each([
  ["DATABASE_URL", "mysql://hidden@host/x"],
  ["DATABASE_URL_UNPOOLED", "hidden"],
  ["DATABASE_URL", `'${databaseUrl}'`],
  ["DATABASE_URL", `psql '${databaseUrl}'`],
  ["DATABASE_POOL_MAX", "0"],
  ["DATABASE_POOL_MAX", "1001"],
  ["DATABASE_POOL_MAX", "2.5"],
  ["CLERK_WEBHOOK_SECRET", "whsec_hidden"],
  ["CLERK_WEBHOOK_SECRET", secret(7, 23)],
  ["CLERK_WEBHOOK_SECRET", secret(7).slice("whsec_".length)],
  ["CLERK_WEBHOOK_SECRET", `${secret(7)} hidden`],
  ["CLERK_WEBHOOK_SECRET", ","],
  ["CLERK_WEBHOOK_SIGNING_SECRET", "hidden"],
  ["CLERK_SECRET_KEY", "pk_test_hidden"],
  ["CLERK_API_URL", "ftp://hidden.example"],
  ["CLERK_API_URL", "hidden"],
  ["CLERK_PUBLISHABLE_KEY", "sk_test_hidden"],
  ["CORS_ORIGINS", "hidden.example.com"],
  ["CORS_ORIGINS", "https://hidden.example.com/path"],
  ["CORS_ORIGINS", ","],
  ["CLERK_JWT_KEY", "hidden"],
  ["CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----\nhidden\n-----END PUBLIC KEY-----"],
  ["CLERK_JWT_KEY", privatePem],
  ["CLERK_JWT_KEY", ecPem],
  ["CLERK_AUTHORIZED_PARTIES", " , "],
  ["ADMIN_API_TOKEN", "hidden-".repeat(4)],
  ["EVENT_RETENTION_DAYS", "0"],
  ["EVENT_RETENTION_DAYS", "-1"],
  ["EVENT_RETENTION_DAYS", "99999999999"],
  ["LEDGER_RETENTION_DAYS", "6.5"],
  ["LEDGER_RETENTION_DAYS", "-1"],
  ["LEDGER_RETENTION_DAYS", "hidden"],
  ["LEDGER_RETENTION_DAYS", "99999999999"],
  ["RECONCILE_EVERY_MINUTES", "-1"],
  ["RECONCILE_EVERY_MINUTES", "hidden"],
  ["PORT", "65536"],
  ["PORT", "http"],
  ["LOG_LEVEL", "hidden"],
  ["LOG_FORMAT", "hidden"],
])("%s is refused by name, its value never shown (case %#)", (name, value) => {
  const problems = problemsOf({ [name]: value });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toStartWith(`${name} `);
  if (value.length > 8) expect(problems[0]).not.toContain(value);
  expect(problems[0]).not.toContain("hidden");
});

test("every problem is in one message, whatever the mode", () => {
  const env = { DATABASE_URL: "hidden", PORT: "x", LOG_LEVEL: "x", ADMIN_API_TOKEN: "hidden" };
  expect(problemsOf(env)).toHaveLength(4);
  expect(problemsOf(env, start)).toHaveLength(5);
});

test("a base URL loses the slash at its end", () => {
  expect(parseConfig({ CLERK_API_URL: "http://127.0.0.1:4000/" }).clerkApiUrl).toBe("http://127.0.0.1:4000");
});

test("quotes or psql around a database URL are named as what they are", () => {
  for (const quote of ["'", '"']) {
    const quoted = `${quote}${databaseUrl}${quote}`;
    expect(problemsOf({ DATABASE_URL: quoted })).toEqual([expect.stringMatching(/^DATABASE_URL has quotes around it/)]);
    expect(problemsOf({ DATABASE_URL: `psql ${quoted}` })).toEqual([
      expect.stringMatching(/^DATABASE_URL begins with the command psql/),
    ]);
  }
  expect(problemsOf({ DATABASE_URL: `${databaseUrl}'` })[0]).toMatch(/^DATABASE_URL has quotes around it/);
});

test("rows of the ledger are kept for ever or at least as long as their payloads, and that is said beside other faults", () => {
  expect(parseConfig({ LEDGER_RETENTION_DAYS: "0", EVENT_RETENTION_DAYS: "400" }).ledgerRetentionDays).toBe(0);
  expect(parseConfig({ LEDGER_RETENTION_DAYS: "30" }).ledgerRetentionDays).toBe(30);
  expect(parseConfig({ EVENT_RETENTION_DAYS: "400" }).ledgerRetentionDays).toBe(400);
  expect(problemsOf({ LEDGER_RETENTION_DAYS: "29", PORT: "x" })).toEqual([
    expect.stringMatching(/^PORT /),
    "LEDGER_RETENTION_DAYS must not be less than EVENT_RETENTION_DAYS",
  ]);
});
