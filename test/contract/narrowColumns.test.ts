import { beforeAll, expect, test } from "bun:test";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

const older = openForFile(() => openTestDatabase({ migrated: false }));
beforeAll(async () => {
  await older.sql.unsafe(`
    create domain word as varchar(12);
    create domain short_name as word;
    create table users (
      id serial primary key, clerk_id varchar(64) not null unique, name short_name, email varchar(30),
      image_url varchar(40), login_method char(8));
    create table mentorados (
      id serial primary key, user_id integer, nome_completo word not null, email varchar(30),
      turma text not null, foto_url varchar(40))`);
  await migrateDatabase({ migrationDsn: parseDsn(older.url) });
}, 20_000);

/** With connections on which no value has been too long yet. */
const openFreshApp = () => openForTest(openTestApp({ databaseUrl: () => older.url }));

const longName = { first_name: "n".repeat(30), last_name: null };

test("a name is cut to the width of a domain over a domain, and the name of the mentorado too", async () => {
  const t = await openFreshApp();
  expect((await t.deliver(userEvent(clerkUser("user_Nested", longName)))).said).toBe("applied");
  expect(await t.services.users.getUser("user_Nested")).toMatchObject({
    user: { name: "n".repeat(12) },
    mentorado: { nomeCompleto: "n".repeat(12) },
  });
});

test("an older event of the same version with the stored content is unchanged, though its name was cut", async () => {
  const user = clerkUser("user_Same", longName);
  expect((await (await openFreshApp()).deliver(userEvent(user))).said).toBe("applied");
  const older = userEvent(user, { timestamp: startMs + 1 });
  expect((await (await openFreshApp()).deliver(older)).said).toBe("unchanged");
});

test.each([
  ["address", { email: `blank@example.com${" ".repeat(20)}` }, { email: null }],
  ["picture", { image_url: `https://img.example.com/${" ".repeat(30)}` }, { imageUrl: null }],
  [
    "way to sign in",
    { external_accounts: [{ object: "external_account", provider: `oauth_google${" ".repeat(9)}` }] },
    { loginMethod: "google  " },
  ],
])("a value too long by blanks alone is treated as any other that is too long: the %s", async (what, user, found) => {
  const id = `user_Blank${what.slice(0, 3)}`;
  expect((await (await openFreshApp()).deliver(userEvent(clerkUser(id, user)))).said).toBe("applied");
  const t = await openFreshApp();
  expect((await t.services.users.getUser(id)).user).toMatchObject(found);
});

test("a value that is too long changes no other value of its batch", async () => {
  const t = await openFreshApp();
  const answers = await Promise.all([
    t.deliver(userEvent(clerkUser("user_LongA", longName))),
    t.deliver(userEvent(clerkUser("user_ShortA", { first_name: "Ana", last_name: null }))),
    t.deliver(userEvent(clerkUser("user_LongB", { email: `${"e".repeat(30)}@example.com` }))),
  ]);
  expect(answers.map(({ said }) => said)).toEqual(["applied", "applied", "applied"]);
  expect((await t.services.users.getUser("user_ShortA")).user).toMatchObject({
    name: "Ana",
    email: "shorta@example.com",
  });
  expect(await t.services.users.getUser("user_LongB")).toMatchObject({ link: "no_email", user: { email: null } });
});
