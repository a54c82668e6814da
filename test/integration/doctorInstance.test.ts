import { expect, test } from "bun:test";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { fakeClerk, secretKey } from "../support/fakeClerk.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { toClose } from "../support/toClose.ts";

const instance = (id: string) => (_req: Request, url: URL) =>
  Response.json(url.pathname === "/v1/instance" ? { object: "instance", id } : { total_count: 7 });

test("a Clerk key of another instance than CLERK_INSTANCE_ID's, or the ledger's, is a failure that names both", async () => {
  const clerk = fakeClerk(instance("ins_dev"));
  const db = await openTestDatabase();
  toClose.push(() => db.close());
  const env = { DATABASE_URL: db.url, CLERK_SECRET_KEY: secretKey, CLERK_API_URL: clerk.apiUrl };
  const said = async (more: Record<string, string> = {}) => {
    const check = (await runDoctor({ ...env, ...more }, silentLog)).find(({ name }) => name === "Clerk instance");
    return `${check?.status}: ${check?.message}`;
  };
  expect(await said()).toMatch(/^ok: ins_dev; nothing is stored here/);
  await db.sql.unsafe(`insert into webhook_events (svix_id, type, instance_id, received_at, settled_at, outcome)
    values ('msg_1', 'user.created', 'ins_prod', now(), now(), 'applied')`);
  expect(await said()).toMatch(/^failure: CLERK_SECRET_KEY belongs to instance ins_dev, but the events.*ins_prod/);
  expect(await said({ CLERK_INSTANCE_ID: "ins_live" })).toMatch(
    /^failure: .*ins_dev, but CLERK_INSTANCE_ID is ins_live/,
  );
  expect(await said({ CLERK_INSTANCE_ID: "ins_dev" })).toBe("ok: ins_dev, as expected");
  const away = { DATABASE_URL: "postgres://u:p@127.0.0.1:1/db" };
  expect(await said(away)).toMatch(/^warning: ins_dev; the ledger cannot be read/);
});

test("a publishable key of another environment than the secret key's is a warning", async () => {
  const clerk = fakeClerk(instance("ins_dev"));
  const find = async (publishableKey: string) => {
    const keys = { CLERK_SECRET_KEY: "sk_live_1", CLERK_PUBLISHABLE_KEY: publishableKey, CLERK_API_URL: clerk.apiUrl };
    return (await runDoctor(keys, silentLog)).find(({ name }) => name === "session tokens");
  };
  expect(await find("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")).toBeUndefined();
  expect(await find("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k")).toMatchObject({
    status: "warning",
    message: expect.stringContaining("CLERK_PUBLISHABLE_KEY is a test key, CLERK_SECRET_KEY a live one"),
  });
});
