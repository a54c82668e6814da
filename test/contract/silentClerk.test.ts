import { expect, test } from "bun:test";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { silentLog } from "../../src/log.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { fakeClerk, openApi } from "../support/fakeClerk.ts";
import { waitUntil } from "../support/runs.ts";
import { signSession, testJwtKey, testParty } from "../support/sessionTokens.ts";
import { createTestClock } from "../support/testClock.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForTest } from "../support/toClose.ts";

test("with a Clerk that never answers, a re-sync and a first login end within 10 s as SERVICE_UNAVAILABLE", async () => {
  const clock = createTestClock();
  const { requests, apiUrl } = fakeClerk(() => new Promise<Response>(() => {}));
  const t = await openForTest(
    openTestApp({
      clerk: openApi(apiUrl, { clock }),
      clock,
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
  const calls = Promise.all([
    codeOf(connectTo(t, testAdminToken).sync.resync.mutate({ clerkId: "user_Here" })),
    codeOf(connectTo(t, testAdminToken).sync.resync.mutate({ clerkId: "user_Here", dryRun: true })),
    codeOf(connectTo(t, signSession("user_New")).me.get.query()),
  ]);
  // Each call asks for the user and for the instance of the key.
  await waitUntil(() => Promise.resolve(requests.length === 6), 10_000);
  await clock.advance(10_000);
  const said = await calls;
  expect(said).toEqual(["SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE", "SERVICE_UNAVAILABLE"]);
});
