import { expect, test } from "bun:test";
import { createClockCheck } from "../../src/cli/clockCheck.ts";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { createCollectedLog } from "../support/collectedLog.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { fakeClerk, secretKey } from "../support/fakeClerk.ts";
import { createTestClock } from "../support/testClock.ts";
import { openTestApp, type DeliveryOptions } from "../support/testApp.ts";
import { openForTest } from "../support/toClose.ts";

const event = userEvent(clerkUser("user_Clock"));
const said =
  "The server's clock is about 360 s slow, so deliveries are rejected for their timestamp; synchronise it (NTP)";

async function openApp() {
  const clock = createTestClock();
  const { log, lines } = createCollectedLog();
  const t = await openForTest(openTestApp({ clock, log, app: { clock } }));
  return {
    ...t,
    clock,
    warnings: async () => {
      const res = await t.app.request("/readyz");
      expect(res.status).toBe(200);
      return ((await res.json()) as { warnings: string[] }).warnings;
    },
    logged: () => lines.filter((line) => JSON.stringify(line).includes("clock is about")).length,
    /** As a sender does whose clock is six minutes ahead; then two seconds pass. */
    deliverAhead: async (options: DeliveryOptions = {}) => {
      const answer = await t.deliver(event, { at: new Date(clock.nowMs() + 360_000), ...options });
      expect([answer.status, answer.said]).toEqual([400, "timestamp_out_of_tolerance"]);
      await clock.advance(2_000);
    },
  };
}

test("if all signed deliveries are rejected for their timestamp, log and /readyz warn of a wrong clock until one is accepted", async () => {
  const t = await openApp();
  for (let count = 0; count < 4; count++) await t.deliverAhead();
  expect(await t.warnings()).toEqual([]);
  for (let count = 0; count < 60; count++) await t.deliverAhead();
  expect(await t.warnings()).toEqual([said]);
  expect(t.logged()).toBe(1);
  expect((await t.deliver(event, { at: new Date(Date.now() + 130_000) })).said).toBe("applied");
  expect(await t.warnings()).toEqual([]);
  for (let count = 0; count < 5; count++) await t.deliverAhead();
  expect([await t.warnings(), t.logged()]).toEqual([[said], 2]);
});

test("unsigned deliveries, or one that is replayed, raise no warning about the clock", async () => {
  const t = await openApp();
  for (let count = 0; count < 10; count++) {
    await t.deliverAhead({ headers: { "svix-signature": "v1,bm90IHNpZ25lZA==" } });
  }
  const at = new Date(t.clock.nowMs() - 600_000);
  for (let count = 0; count < 10; count++) await t.deliverAhead({ svixId: "msg_repeated", at });
  expect([await t.warnings(), t.logged()]).toEqual([[], 0]);
});

test.each([
  [0, /^ok: [01] s from Clerk's/],
  [45, /^warning: 4[56] s behind Clerk's/],
  [-45, /^warning: 4[456] s ahead of Clerk's/],
  [360, /^failure: 36[01] s behind Clerk's/],
])("the doctor compares the clock with Clerk's answer: %d s", async (seconds, line) => {
  const date = () => new Date(Date.now() + seconds * 1000).toUTCString();
  const clerk = fakeClerk((_req, url) =>
    Response.json(url.pathname === "/v1/instance" ? { object: "instance", id: "ins_1" } : { total_count: 7 }, {
      headers: { date: date() },
    }),
  );
  const checks = await runDoctor({ CLERK_SECRET_KEY: secretKey, CLERK_API_URL: clerk.apiUrl }, silentLog);
  const check = checks.find(({ name }) => name === "clock");
  expect(`${check?.status}: ${check?.message}`).toMatch(line);
});

test("without a date in Clerk's answers doctor says that it cannot compare the clock", () => {
  expect(createClockCheck().check()).toMatchObject({ status: "ok" });
});
