import { afterEach, expect, test } from "bun:test";
import { failureOf, openApi } from "../support/fakeClerk.ts";
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";

let clerk: FaultyClerk;
afterEach(() => clerk.close());

const oldestFirst = { orderBy: "+created_at" } as const;

async function open(users: number) {
  clerk = await openFaultyClerk({ users, requestsPer10s: Infinity });
  return openApi(clerk.apiUrl, { secretKey: clerk.secretKey });
}

test.each(["html", "error", "cut", "unauthorized"] as const)(
  "while Clerk is %s the client reports unavailable, never that a user is gone, and recovers afterwards",
  async (kind) => {
    const api = await open(1);
    const [user] = await api.listUsers({ limit: 1, ...oldestFirst });
    const clerkId = user?.id ?? "";
    clerk.setFault({ kind });
    expect((await failureOf(api.getUser(clerkId))).code).toBe("clerk_unavailable");
    expect((await failureOf(api.listUsers({ limit: 10, ...oldestFirst }))).code).toBe("clerk_unavailable");
    clerk.setFault(undefined);
    expect((await api.getUser(clerkId))?.id).toBe(clerkId);
  },
);

test("while nothing listens the client reports unavailable", async () => {
  const api = await open(1);
  await clerk.close();
  expect((await failureOf(api.countUsers())).code).toBe("clerk_unavailable");
});

test("a slow simulated Clerk answers late, an empty one lists no users", async () => {
  const api = await open(3);
  clerk.setFault({ kind: "slow", ms: 80 });
  const startedAt = performance.now();
  expect(await api.countUsers()).toBe(3);
  expect(performance.now() - startedAt).toBeGreaterThan(75);
  const hasty = openApi(clerk.apiUrl, {
    secretKey: clerk.secretKey,
    limits: { attemptDeadlineMs: 20, retriesMax: 1 },
  });
  expect((await failureOf(hasty.countUsers())).code).toBe("clerk_unavailable");
  clerk.setFault({ kind: "empty" });
  expect(await api.countUsers()).toBe(0);
  expect(await api.listUsers({ limit: 10, ...oldestFirst })).toEqual([]);
});
