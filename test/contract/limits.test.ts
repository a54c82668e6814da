import { expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { createRateLimits, defaultRateLimits, toAddressKey } from "../../src/auth/rateLimits.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openServer } from "../support/openServer.ts";
import { signSession, testJwtKey } from "../support/sessionTokens.ts";
import { openTestApp, signDelivery, testAdminToken } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { silentLog } from "../../src/log.ts";

const limits = { failuresPerMinute: 5, machineCallsPer10s: 60, sessionCallsPer10s: 3 };
const verifySession = createSessionVerifier({ jwtKey: testJwtKey, apiUrl: "http://127.0.0.1:9", log: silentLog });
const t = openForFile(() => openTestApp({ app: { rateLimits: createRateLimits(limits), verifySession } }));
// The address of a client is known only where there is a connection.
const server = openForFile(() => openServer((req, self) => t.app.fetch(req, self)));

const call = (token: string, headers: Record<string, string> = {}) =>
  fetch(new URL("/api/trpc/sync.status", server.origin), { headers: { authorization: `Bearer ${token}`, ...headers } });

test("failed attempts from one address end in 429, whatever addresses its headers claim; the right token still passes", async () => {
  const statuses: number[] = [];
  let last: Response | undefined;
  for (let n = 0; n < 12; n += 1) {
    last = await call(`wrong-${n}`, {
      "x-forwarded-for": `10.0.0.${n}`,
      "x-real-ip": `10.0.0.${n}`,
      forwarded: `for=10.0.0.${n}`,
    });
    statuses.push(last.status);
  }
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
  expect(Number(last?.headers.get("retry-after"))).toBeWithin(1, 61);
  expect(await last?.json()).toMatchObject({ error: { data: { code: "TOO_MANY_REQUESTS" } } });
  expect((await fetch(new URL("/metrics", server.origin), { headers: { authorization: "Bearer wrong" } })).status).toBe(
    429,
  );
  expect((await call(testAdminToken)).status).toBe(200);
});

test("addresses are known also if the host passes the server as { server }", async () => {
  const fetch = (address: string) =>
    t.app.fetch(new Request("http://sync.test/metrics", { headers: { authorization: "Bearer wrong" } }), {
      server: { requestIP: () => ({ address }) },
    });
  for (let n = 0; n < 5; n += 1) expect((await fetch("192.0.2.7")).status).toBe(401);
  expect((await fetch("192.0.2.7")).status).toBe(429);
  expect((await fetch("192.0.2.8")).status).toBe(401);
});

test("health checks and webhooks have no rate limit", async () => {
  for (let n = 0; n < 100; n += 1) expect((await fetch(new URL("/healthz", server.origin))).status).toBe(200);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => {
      const body = JSON.stringify(userEvent(clerkUser(`user_Rate${n}`)));
      const init = { method: "POST", body, headers: signDelivery(body) };
      return fetch(new URL("/api/webhooks/clerk", server.origin), init);
    }),
  );
  expect(new Set(answers.map((res) => res.status))).toEqual(new Set([200]));
});

test("the rate limit of a session counts every call of that user, and of no other", async () => {
  const batch = (clerkId: string) =>
    fetch(new URL("/api/trpc/sync.status,sync.status,sync.status,sync.status?batch=1", server.origin), {
      headers: { authorization: `Bearer ${signSession(clerkId)}` },
    }).then(async (res) =>
      ((await res.json()) as { error: { data: { code: string } } }[]).map(({ error }) => error.data.code),
    );
  expect((await batch("user_Busy")).sort()).toEqual(["FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "TOO_MANY_REQUESTS"]);
  expect((await batch("user_Other")).sort()).toEqual(["FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "TOO_MANY_REQUESTS"]);
});

test("the admin token may make thousands of calls a second, then gets 429", async () => {
  expect(defaultRateLimits.machineCallsPer10s / 10).toBeGreaterThanOrEqual(1_000);
  const bounded = createRateLimits({ ...limits, machineCallsPer10s: 2 });
  await bounded.countCall({ kind: "machine" });
  await bounded.countCall({ kind: "machine" });
  const error: unknown = await bounded.countCall({ kind: "machine" }).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ code: "too_many_requests" });
});

test("an IPv6 /64 network counts as one address; an IPv4 address is the same in every notation", () => {
  expect(toAddressKey("2001:db8:1:2:3:4:5:6")).toBe(toAddressKey("2001:db8:1:2:ffff::1"));
  expect(toAddressKey("2001:db8::1")).toBe("2001:db8:0:0::/64");
  expect(toAddressKey("2001:db8:1:2::1")).not.toBe(toAddressKey("2001:db8:1:3::1"));
  expect(toAddressKey("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
  expect(toAddressKey("::1")).toBe("0:0:0:0::/64");
  expect(toAddressKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(toAddressKey("192.0.2.1")).toBe("192.0.2.1");
});
