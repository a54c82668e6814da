import { AppError } from "../errors.ts";
import { systemClock } from "../clock.ts";
import { withDeadline } from "../clerk/withDeadline.ts";
import { createClerkApi } from "../clerk/createClerkApi.ts";
import { ConfigError, parseConfig, type Config, type ConfigProblem, type Environment } from "../config.ts";
import type { Log } from "../log.ts";
import { findDifference, findExpectedInstance, type ExpectedInstance } from "../service/instanceCheck.ts";
import { openDatabase } from "../store/connection/database.ts";
import { createClockCheck } from "./clockCheck.ts";
import { checkDatabase } from "./checkDatabase.ts";
import { failure, ok, warning, type Check } from "./output.ts";

/** Checks everything a server needs and says what to do about each problem. Changes nothing. */
export async function runDoctor(env: Environment, log: Log): Promise<Check[]> {
  const { config, problems } = readConfig(env);
  const has = (name: string) => problems.some((problem) => problem.name === name);
  const secretNames = ["CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"];
  // A malformed variable is reported once, not as missing too.
  const [database, clerkKey] = await Promise.all([
    has("DATABASE_URL") ? [] : checkDatabase(config, log),
    has("CLERK_SECRET_KEY") ? [] : checkClerkKey(config, log),
  ]);
  return [
    ...(problems.length === 0
      ? [ok("configuration", "every variable is well-formed")]
      : problems.map(({ name, message }) => failure("configuration", `${name} ${message}`))),
    ...database,
    ...clerkKey,
    ...checkEnvironments(config),
    ...(secretNames.some(has) ? [] : [checkWebhookSecret(config)]),
  ];
}

/** The configuration without its malformed variables, so that the rest can be checked. */
function readConfig(env: Environment): { config: Config; problems: readonly ConfigProblem[] } {
  try {
    return { config: parseConfig(env), problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const faulty = new Set(error.problems.map((problem) => problem.name));
    const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !faulty.has(name)));
    return { config: parseConfig(rest), problems: error.problems };
  }
}

async function checkClerkKey(config: Config, log: Log): Promise<Check[]> {
  const name = "Clerk key";
  if (config.clerkSecretKey === undefined) {
    return [warning(name, "CLERK_SECRET_KEY is missing: re-sync, backfill and reconcile will not work")];
  }
  const { clerkSecretKey: secretKey, clerkApiUrl: apiUrl } = config;
  const clock = createClockCheck();
  const clerk = withDeadline(createClerkApi({ secretKey, apiUrl, log, fetch: clock.fetch }), systemClock);
  try {
    const [users, named] = await Promise.all([clerk.countUsers(), clerk.findInstanceId?.() ?? null]);
    const instance = await checkInstance(config, log, named);
    return [ok(name, `Clerk answered; the instance has ${users} users`), instance, clock.check()];
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [
      failure(
        name,
        `${error.message} Check CLERK_SECRET_KEY (Clerk dashboard, API keys), CLERK_API_URL and the network`,
      ),
    ];
  }
}

/** Clerk's keys say which environment they are of: `pk_test_…`, `sk_live_…`. */
function checkEnvironments(config: Config): Check[] {
  const keys = [config.clerkPublishableKey, config.clerkSecretKey];
  const [published, secret] = keys.map((key) => /^[ps]k_(test|live)_/.exec(key ?? "")?.[1]);
  if (published === undefined || secret === undefined || published === secret) return [];
  const difference = `CLERK_PUBLISHABLE_KEY is a ${published} key, CLERK_SECRET_KEY a ${secret} one`;
  return [warning("session tokens", `${difference}: take both from the instance whose users are stored here`)];
}

/** @param named the instance of the key, null where Clerk names none */
async function checkInstance(config: Config, log: Log, named: string | null): Promise<Check> {
  const name = "Clerk instance";
  if (named === null) return ok(name, "Clerk does not name it: runs check instead that Clerk knows a user stored here");
  let expected;
  try {
    expected = await findExpected(config, log);
  } catch (error) {
    log.debug({ err: error }, "[Doctor] The ledger cannot be read, so the key's instance is not compared");
    return warning(name, `${named}; the ledger cannot be read, so it is not compared: see the database's lines`);
  }
  const difference = findDifference(named, expected);
  if (difference === undefined) return ok(name, `${named}; nothing is stored here yet to compare it with`);
  if (difference === null) return ok(name, `${named}, as expected`);
  return failure(name, `${difference}: set the CLERK_SECRET_KEY of the right instance, or correct CLERK_INSTANCE_ID`);
}

async function findExpected({ dsn, clerkInstanceId }: Config, log: Log): Promise<ExpectedInstance | null> {
  if (clerkInstanceId !== undefined) return { instanceId: clerkInstanceId, saidBy: "configuration" };
  if (dsn === undefined) return null;
  const database = openDatabase({ dsn, databasePoolMax: 1 }, { log });
  try {
    return await findExpectedInstance(database, undefined);
  } finally {
    await database.close();
  }
}

function checkWebhookSecret(config: Config): Check {
  const name = "webhook secret";
  if (config.webhookSecrets.length > 0) return ok(name, `${config.webhookSecrets.length} configured`);
  const todo = "copy the signing secret of the endpoint from the Clerk dashboard";
  return failure(name, `CLERK_WEBHOOK_SECRET is missing: ${todo}`);
}
