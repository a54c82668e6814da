import { beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type AddressInfo } from "node:net";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { fakeClerk } from "../support/fakeClerk.ts";
import { olderTables } from "../support/olderTables.ts";
import { openPgBouncer } from "../support/pgBouncer.ts";
import { testSecret } from "../support/testApp.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { cli, startCli } from "../support/cli.ts";
import { openForTest, toClose } from "../support/toClose.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";

setDefaultTimeout(30_000);
// The server and its template are made before any test's time runs.
beforeAll(async () => (await openTestDatabase()).close());

/** What may stand in no line. */
const secret = "hidden";
const clerkKey = `sk_test_${secret}`;

/** Each check as `status: message`, by name. */
async function examine(env: Record<string, string>): Promise<Record<string, string>> {
  const checks = await runDoctor(env, silentLog);
  const text = JSON.stringify(checks);
  expect(text).not.toContain(secret);
  expect(text).not.toContain(testSecret.slice(6));
  return Object.fromEntries(checks.map(({ name, status, message }) => [name, `${status}: ${message}`]));
}

async function openDatabaseUrl(options?: {
  migrated?: boolean;
}): Promise<{ url: string; name: string; run: (text: string) => Promise<unknown> }> {
  const db = await openForTest(openTestDatabase(options));
  return { url: db.url, name: db.name, run: (text) => db.sql.unsafe(text) };
}

/** A server that takes connections and never says anything. */
async function openSilence(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => socket.destroy()));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  toClose.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

test("with a correct setup every line of doctor is ok", async () => {
  const clerk = fakeClerk(() => Response.json({ object: "total_count", total_count: 7 }));
  const { url } = await openDatabaseUrl();
  const found = await examine({
    DATABASE_URL: url,
    CLERK_WEBHOOK_SECRET: testSecret,
    CLERK_SECRET_KEY: clerkKey,
    CLERK_API_URL: clerk.apiUrl,
  });
  expect(Object.keys(found)).toEqual(
    "configuration,database URL,TLS,migration URL,database,migrations,turma,rights,rehearsal,Clerk key,Clerk instance,clock,webhook secret".split(
      ",",
    ),
  );
  for (const [name, said] of Object.entries(found))
    expect([name, said]).toEqual([name, expect.stringMatching(/^ok: /)]);
  expect(found["Clerk key"]).toContain("7 users");
});

test("without configuration doctor says what is missing and where to get it; the Clerk key is only a warning", async () => {
  expect(await examine({})).toEqual({
    configuration: expect.stringMatching(/^ok/) as string,
    "database URL": expect.stringMatching(/^failure: DATABASE_URL is missing: copy/) as string,
    "Clerk key": expect.stringMatching(/^warning: CLERK_SECRET_KEY is missing/) as string,
    "webhook secret": expect.stringMatching(/^failure: CLERK_WEBHOOK_SECRET is missing: copy/) as string,
  });
});

test("a malformed variable is one failure by name, and everything else is looked at all the same", async () => {
  const { url } = await openDatabaseUrl();
  const found = await examine({ DATABASE_URL: url, PORT: secret, CLERK_WEBHOOK_SECRET: secret });
  expect(found["configuration"]).toMatch(/^failure: CLERK_WEBHOOK_SECRET must be|^failure: PORT must be/);
  expect(found["database"]).toMatch(/^ok/);
  expect(found["webhook secret"]).toBeUndefined();
  const noUrl = await examine({ DATABASE_URL: `mysql://u:${secret}@h/db` });
  expect(noUrl["configuration"]).toMatch(/^failure: DATABASE_URL must begin with postgres/);
  expect(noUrl["database URL"]).toBeUndefined();
});

test("doctor explains a failed connection and says what to do", async () => {
  const good = new URL(await testServerUrl());
  const urlWith = (changes: Partial<URL>, query = "") => {
    const url = new URL(`${good.href}${query}`);
    Object.assign(url, changes);
    return url.href;
  };
  const table: [string, RegExp][] = [
    [urlWith({ password: secret }), /password is wrong/],
    [urlWith({ pathname: "/absent" }), /database does not exist/],
    [urlWith({ hostname: "absent.invalid" }), /host name/],
    [urlWith({ port: "1" }), /nothing listens there/],
    [urlWith({ port: String(await openSilence()) }, "?connect_timeout=1"), /did not answer within the connect timeout/],
    [urlWith({}, "?sslmode=verify-full"), /offers no TLS/],
    [urlWith({}, "?host=/absent"), /no such socket/],
  ];
  for (const [url, advice] of table) {
    const found = await examine({ DATABASE_URL: url });
    expect(found["database"]).toMatch(/^failure/);
    expect(found["database"]).toMatch(advice);
    expect(found["migrations"]).toBeUndefined();
  }
});

test("an invalid LOG_LEVEL is a line of the report like any other", async () => {
  const { code, stdout } = await startCli(["doctor"], { LOG_LEVEL: "loud" }).ended;
  expect([code, stdout]).toEqual([1, expect.stringMatching(/configuration.*LOG_LEVEL must be/)]);
});

test("pending migrations, absent functions and a DEFAULT_TURMA that is no label are failures", async () => {
  const empty = await openDatabaseUrl({ migrated: false });
  const first = await examine({ DATABASE_URL: empty.url });
  expect(first["migrations"]).toMatch(/^failure: not applied: 0000_init.*db:migrate/);
  expect(first["turma"]).toMatch(/^failure: the enum turma is not there yet/);
  await empty.run(olderTables);
  expect((await examine({ DATABASE_URL: empty.url }))["turma"]).toMatch(/^ok.*neon_legado/);
  const { url, run } = await openDatabaseUrl();
  await run(`drop schema ${functionsSchema} cascade`);
  const found = await examine({ DATABASE_URL: url, DEFAULT_TURMA: "nowhere" });
  expect(found["migrations"]).toBe("failure: not applied: functions; run `bun run db:migrate`");
  expect(found["turma"]).toMatch(/^failure: DEFAULT_TURMA is no label.*neon_estrutura, neon_escala/);
});

test("a read-only database is a failure; a search_path without public is none, pooled or direct", async () => {
  const readOnly = await openDatabaseUrl();
  await readOnly.run(`alter database ${readOnly.name} set default_transaction_read_only = on`);
  expect((await examine({ DATABASE_URL: readOnly.url }))["database"]).toMatch(/^failure: is read-only/);
  const hidden = await openDatabaseUrl();
  await hidden.run(`alter database ${hidden.name} set search_path = app`);
  const pooler = await openForTest(openPgBouncer({ serverUrl: await testServerUrl() }));
  const found = await examine({ DATABASE_URL: pooler.urlFor(hidden.url) });
  expect(found["database"]).toMatch(/^ok/);
  expect(found["migration URL"]).toMatch(/^warning: goes through the pooler/);
  expect((await examine({ DATABASE_URL: hidden.url }))["database"]).toMatch(/^ok/);
});

test("a URL that does not enforce TLS to another machine is a warning, one for another database too", async () => {
  const found = await examine({
    DATABASE_URL: "postgres://u:p@absent.invalid/db",
    DATABASE_URL_UNPOOLED: "postgres://u:p@absent.invalid/other",
  });
  expect(found["TLS"]).toMatch(/^warning: not enforced: add sslmode=require/);
  expect(found["migration URL"]).toMatch(/^warning: DATABASE_URL_UNPOOLED names database other/);
});

test("a Clerk that rejects the key, or answers nonsense, is a failure in words", async () => {
  const rejecting = fakeClerk(() => Response.json({ errors: [] }, { status: 401 }));
  const nonsense = fakeClerk(() => new Response("<html>"));
  const ask = (apiUrl: string) => examine({ CLERK_SECRET_KEY: clerkKey, CLERK_API_URL: apiUrl });
  expect((await ask(rejecting.apiUrl))["Clerk key"]).toMatch(/^failure: Clerk rejects CLERK_SECRET_KEY \(status 401\)/);
  expect((await ask(nonsense.apiUrl))["Clerk key"]).toMatch(/^failure: .*Check CLERK_SECRET_KEY/);
});

test("database and Clerk hung: the command ends within 20 s, exit 1, and says so without a secret", async () => {
  const port = await openSilence();
  const startedAtMs = Date.now();
  const child = Bun.spawn([...cli, "doctor", "--json"], {
    env: {
      PATH: process.env["PATH"] ?? "",
      DATABASE_URL: `postgres://u:${secret}@127.0.0.1:${port}/db?connect_timeout=60`,
      CLERK_SECRET_KEY: clerkKey,
      CLERK_API_URL: `http://127.0.0.1:${port}`,
      CLERK_WEBHOOK_SECRET: testSecret,
      LOG_LEVEL: "trace",
    },
    stderr: "pipe",
  });
  const [said, logged] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect(await child.exited).toBe(1);
  expect(Date.now() - startedAtMs).toBeLessThan(20_000);
  expect(said + logged).not.toContain(secret);
  const { checks } = JSON.parse(said) as { checks: { name: string; status: string; message: string }[] };
  const failures = checks.filter((check) => check.status === "failure").map((check) => check.name);
  expect(failures).toEqual(["database", "Clerk key"]);
  expect(checks.find((check) => check.name === "database")?.message).toContain("did not answer within 6 s");
}, 30_000);
