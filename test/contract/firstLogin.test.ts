import { expect, test } from "bun:test";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import type { SyncClient } from "../../src/trpc/client.ts";
import { clerkUser, deletedEvent, userEvent } from "../support/events.ts";
import { createPagedClerk, type PagedClerk } from "../support/pagedClerk.ts";
import { signSession, testJwtKey, testParty } from "../support/sessionTokens.ts";
import { openTestApp, testAdminToken, type TestApp } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForTest } from "../support/toClose.ts";

interface LoginTest {
  readonly t: TestApp;
  readonly clerk: PagedClerk;
  /** The app as this user's browser sees it. */
  readonly as: (clerkId: string) => SyncClient;
}

async function openLoginTest(options: { hasKey?: boolean } = {}): Promise<LoginTest> {
  const clerk = createPagedClerk(0);
  const t = await openForTest(
    openTestApp({
      clerk: options.hasKey === false ? null : clerk.api,
      app: {
        verifySession: createSessionVerifier({
          jwtKey: testJwtKey,
          apiUrl: "http://127.0.0.1:9",
          authorizedParties: [testParty],
          log: silentLog,
        }),
      },
    }),
  );
  return { t, clerk, as: (clerkId) => connectTo(t, signSession(clerkId)) };
}

test("a caller not yet stored is fetched from Clerk, stored and linked at once, with the source jit", async () => {
  const { as, clerk } = await openLoginTest();
  clerk.users.set("user_New", clerkUser("user_New"));
  const me = await as("user_New").me.get.query();
  expect(me).toMatchObject({
    clerkId: "user_New",
    state: "synced",
    link: "linked",
    source: "jit",
    user: { name: "Ana Souza" },
  });
  expect(await as("user_New").me.get.query()).toEqual(me);
  expect(clerk.asked).toEqual(["get user_New"]);
});

test("concurrent requests of a new caller share one request to Clerk", async () => {
  const { as, clerk, t } = await openLoginTest();
  clerk.users.set("user_Many", clerkUser("user_Many"));
  clerk.onOther = () => Bun.sleep(50);
  const answers = await Promise.all(Array.from({ length: 20 }, () => as("user_Many").me.get.query()));
  expect(new Set(answers.map((answer) => answer.user?.id)).size).toBe(1);
  expect(clerk.asked).toEqual(["get user_Many"]);
  const [row] = await t.sql`select count(*)::int as count from mentorados`;
  expect(row?.["count"]).toBe(1);
});

test("a caller unknown to Clerk too is NOT_FOUND, and nothing is stored", async () => {
  const { as, t } = await openLoginTest();
  expect(await codeOf(as("user_Nobody").me.get.query())).toBe("NOT_FOUND");
  expect(await t.sql`select from users`).toHaveLength(0);
});

test("a failure of Clerk is never read as unknown user, and the next call asks again", async () => {
  const { as, clerk } = await openLoginTest();
  clerk.users.set("user_Later", clerkUser("user_Later"));
  clerk.onOther = () => Promise.reject(new AppError("clerk_unavailable", "Clerk answered 502."));
  expect(await codeOf(as("user_Later").me.get.query())).toBe("SERVICE_UNAVAILABLE");
  clerk.onOther = () => Promise.reject(new AppError("too_many_requests", "Clerk's rate limit is reached."));
  expect(await codeOf(as("user_Later").me.get.query())).toBe("TOO_MANY_REQUESTS");
  clerk.onOther = () => undefined;
  expect((await as("user_Later").me.get.query()).state).toBe("synced");
});

test("a stored caller needs no Clerk; without CLERK_SECRET_KEY a new one is PRECONDITION_FAILED, which names the variable", async () => {
  const { as, t } = await openLoginTest({ hasKey: false });
  await t.deliver(userEvent(clerkUser("user_Here")));
  expect((await as("user_Here").me.get.query()).source).toBe("webhook");
  const call = as("user_Else").me.get.query();
  expect(await codeOf(call)).toBe("PRECONDITION_FAILED");
  expect(await call.catch(String)).toContain("CLERK_SECRET_KEY");
});

test("a deleted caller is shown as deleted, whatever Clerk says", async () => {
  const { as, clerk, t } = await openLoginTest();
  clerk.users.set("user_Gone", clerkUser("user_Gone"));
  await t.deliver(deletedEvent("user_Gone"));
  expect(await as("user_Gone").me.get.query()).toMatchObject({ state: "deleted", link: "none", user: { name: null } });
  expect(clerk.asked).toEqual([]);
});

test("the admin token is no session, and neither is no token: UNAUTHORIZED", async () => {
  const { t } = await openLoginTest();
  for (const token of [undefined, testAdminToken]) {
    expect(await codeOf(connectTo(t, token).me.get.query())).toBe("UNAUTHORIZED");
  }
});
