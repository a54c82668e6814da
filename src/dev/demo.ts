// The main job, end to end and offline: `bun run demo`.
import postgres, { type Sql } from "postgres";
import { parseConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { startServer } from "../server.ts";
import { onStopSignal } from "../onStopSignal.ts";
import { migrateDatabase } from "../store/migration/migrate.ts";
import { createSyncClient, type SyncClient } from "../trpc/client.ts";
import { bypassProxyOnLoopback } from "./bypassProxyOnLoopback.ts";
import { findDifferences } from "./clerk/findDifferences.ts";
import { createCourier, type DeliveryAttempt } from "./clerk/courier.ts";
import {
  expectedLinks,
  lostWebhookUser,
  registeredMentorados,
  makeDemoDeliveries,
  type DemoDelivery,
} from "./demoDeliveries.ts";
import { developmentAdminToken, developmentWebhookSecret } from "./clerk/developmentKeys.ts";
import { openEmbeddedPostgres, type EmbeddedPostgres } from "./postgres/embeddedPostgres.ts";
import { openSimulatedClerk } from "./clerk/simulatedClerk.ts";

const wrongSecret = `whsec_${Buffer.alloc(24, "forger").toString("base64")}`;
const log = await createLog({ level: "info", format: process.env["LOG_FORMAT"] === "json" ? "json" : "pretty" });

let opening: Promise<EmbeddedPostgres> | undefined;
let isStopping = false;

const say = (text: string) => console.log(`\n▸ ${text}`);

/** Uses no variable of the environment, so that it never reaches a database or Clerk instance named in a `.env`. */
async function run(): Promise<readonly string[]> {
  say("A Postgres server from npm, in a temporary folder, with this program's tables");
  opening = openEmbeddedPostgres({ persistent: false, log });
  const server = await opening;
  await server.createDatabase("demo");
  const databaseUrl = server.urlFor("demo");
  const clerk = await openSimulatedClerk({ seed: 4 });
  const config = parseConfig(
    {
      DATABASE_URL: databaseUrl,
      CLERK_WEBHOOK_SECRET: developmentWebhookSecret,
      CLERK_SECRET_KEY: clerk.secretKey,
      CLERK_API_URL: clerk.apiUrl,
      ADMIN_API_TOKEN: developmentAdminToken,
      RECONCILE_EVERY_MINUTES: "0",
      PORT: "0",
      HOST: "127.0.0.1",
    },
    { mode: "start" },
  );
  await migrateDatabase(config, { log });
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => undefined });
  await sql`insert into mentorados ${sql(registeredMentorados.map(({ nomeCompleto, ...rest }) => ({ nome_completo: nomeCompleto, ...rest })))}`;

  say("The real server, and a simulated Clerk that delivers signed webhooks over HTTP: late, twice and out of order");
  const app = startServer(config, log);
  const url = `http://127.0.0.1:${app.port}`;
  const deliveries = await deliver(url, makeDemoDeliveries(clerk));

  say(`One webhook was lost. A re-sync fetches the user from Clerk: sync.resync({ clerkId: "${lostWebhookUser}" })`);
  const client = createSyncClient({ url, token: developmentAdminToken });
  const resync = await client.sync.resync.mutate({ clerkId: lostWebhookUser });
  console.log(`  outcome ${resync.outcome}; changed: ${resync.changed.join(", ")}`);

  const links = await findLinks(client);
  await printTables(sql, deliveries, links);
  const problems = [
    ...deliveries.flatMap(({ planned, said }) =>
      said === planned.expected ? [] : [`"${planned.what}" was answered ${said}, not ${planned.expected}`],
    ),
    ...(resync.outcome === "applied" ? [] : [`the re-sync ended ${resync.outcome}`]),
    ...Object.entries(expectedLinks).flatMap(([clerkId, link]) =>
      links.get(clerkId) === link ? [] : [`the link of ${clerkId} is ${links.get(clerkId)}, not ${link}`],
    ),
    ...(await findDifferences(sql, clerk.directory, ["user_edu", "user_fabi"])),
  ];
  await app.stop();
  await clerk.close();
  await sql.end();
  await server.stop();
  return problems;
}

interface Delivered {
  readonly planned: DemoDelivery;
  readonly attempt: DeliveryAttempt;
  readonly said: string;
}

async function deliver(url: string, plan: readonly DemoDelivery[]): Promise<Delivered[]> {
  const openCourier = (secret: string) =>
    // No retries: the demo would have to wait for them.
    createCourier({ url: `${url}/api/webhooks/clerk`, secrets: [secret], attemptsMax: 1 });
  const [clerks, forgers] = [openCourier(developmentWebhookSecret), openCourier(wrongSecret)];
  const deliveries: Delivered[] = [];
  for (const planned of plan) {
    const attempt = await (planned.forged ? forgers : clerks).send(planned.event);
    deliveries.push({ planned, attempt, said: `${attempt.status ?? "no answer"} ${attempt.said}` });
  }
  return deliveries;
}

async function findLinks(client: SyncClient): Promise<ReadonlyMap<string, string>> {
  const ids = Object.keys(expectedLinks);
  const states = await Promise.all(ids.map((clerkId) => client.sync.user.query({ clerkId })));
  return new Map(states.map((state) => [state.clerkId, state.link]));
}

async function printTables(sql: Sql, deliveries: readonly Delivered[], links: ReadonlyMap<string, string>) {
  say("Every delivery and its outcome");
  const lines = deliveries.map(({ planned, attempt }) => ({
    delivery: planned.what,
    type: planned.event.type,
    status: attempt.status ?? "–",
    outcome: attempt.said,
    ms: Math.round(attempt.durationMs),
  }));
  console.table(Object.fromEntries(lines.map((line, index) => [index + 1, line])));

  say("users, by id");
  printRows(
    (
      await sql`select id, clerk_id, name, email, email_verified as verified, role, sync_source as source,
                       deleted_at is not null as deleted from users order by id`
    ).map((row) => ({ ...row, link: links.get(String(row["clerk_id"])) })),
  );
  say("mentorados, by id");
  printRows(await sql`select id, user_id, nome_completo, email, turma, ativo from mentorados order by id`);
}

function printRows(rows: readonly Readonly<Record<string, unknown>>[]): void {
  console.table(Object.fromEntries(rows.map(({ id, ...row }) => [String(id), row])));
}

bypassProxyOnLoopback(process.env);
onStopSignal(() => {
  isStopping = true;
  // Exits once the data folder is complete: only a complete one is removed when this process ends.
  void Promise.allSettled([opening]).then(() => process.exit(130));
});
const problems = await run().catch((error: unknown) => {
  if (isStopping) return new Promise<never>(() => undefined);
  throw error;
});
if (problems.length > 0) {
  console.error(`\nThe tables or answers are wrong:\n${problems.map((problem) => `- ${problem}`).join("\n")}`);
  process.exit(1);
}
console.log(
  "\n✓ The tables are what Clerk says. Next: `bun run dev`, or the README to set it up against Neon and Clerk.",
);
process.exit(0);
