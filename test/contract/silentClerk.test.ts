import { expect, test } from "bun:test";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { silentLog } from "../../src/log.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { fakeClerk, openApi } from "../support/fakeClerk.ts";
import { signSession, testJwtKey, testParty } from "../support/sessionTokens.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForTest } from "../support/toClose.ts";

test("with a Clerk that never answers, a re-sync and a first login end within 10 s as SERVICE_UNAVAILABLE", async () => {
  const { apiUrl } = fakeClerk(() => new Promise<Response>(() => {}));
  const t = await openForTest(
    openTestApp({
      clerk: openApi(apiUrl),
      app: {
        verifySession: createSessionVerifier({
          jwtKey: testJwtKey,
          apiUrl,
          authorizedParties: [testParty],
          log: silentLog,
        }),
      },
    }),
  );
  await t.deliver(userEvent(clerkUser("user_Here")));
  const startedAtMs = performance.now();
  const said = await Promise.all([
    codeOf(connectTo(t, testAdminToken).sync.resync.mutate({ clerkId: "user_Here" })),
    codeOf(connectTo(t, testAdminToken).sync.resync.mutate({ clerkId: "user_Here", dryRun: true })),
    codeOf(connectTo(t, signSession("user_New")).me.get.query()),
  ]);
  expect(said).toEqual(["SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE"]);
  expect(performance.now() - startedAtMs).toBeLessThan(10_000);
}, 30_000);
