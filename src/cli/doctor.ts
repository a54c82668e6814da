import { AppError } from "../errors.ts";
import { systemClock } from "../clock.ts";
import { withDeadline } from "../clerk/withDeadline.ts";
import { createClerkApi } from "../clerk/createClerkApi.ts";
import { ConfigError, parseConfig, type Config, type ConfigProblem, type Environment } from "../config.ts";
import type { Log } from "../log.ts";
import { checkDatabase } from "./databaseChecks.ts";
import { failure, ok, warning, type Check } from "./output.ts";

/** Looks at everything a server needs and says what to do about what is wrong. Changes nothing. */
export async function runDoctor(env: Environment, log: Log): Promise<Check[]> {
  const { config, problems } = readConfig(env);
  const has = (name: string) => problems.some((problem) => problem.name === name);
  const secretNames = ["CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"];
  // What is malformed has been named; that it is therefore missing need not be said too.
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
    ...(secretNames.some(has) ? [] : [checkWebhookSecret(config)]),
  ];
}

/** The configuration without the variables that are malformed, so that the rest can be looked at all the same. */
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
  const clerk = withDeadline(createClerkApi({ secretKey, apiUrl, log }), systemClock);
  try {
    const users = await clerk.countUsers();
    return [ok(name, `Clerk answered; the instance has ${users} users`)];
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

function checkWebhookSecret(config: Config): Check {
  const name = "webhook secret";
  if (config.webhookSecrets.length > 0) return ok(name, `${config.webhookSecrets.length} configured`);
  const todo = "copy the signing secret of the endpoint from the Clerk dashboard";
  return failure(name, `CLERK_WEBHOOK_SECRET is missing: ${todo}`);
}
