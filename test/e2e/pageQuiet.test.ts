import { expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { browserDeadlineMs } from "../support/browser.ts";
import { openOperatorPageTest } from "../support/operatorPage.ts";
import { openForFile } from "../support/toClose.ts";

setDefaultTimeout(browserDeadlineMs);
const t = openForFile(() => openOperatorPageTest());

/** Longer than the page waits between two polls. */
const watchMs = 2_000;

async function countRequests(page: Page): Promise<number> {
  let requests = 0;
  const count = () => (requests += 1);
  page.on("request", count);
  await Bun.sleep(watchMs);
  page.off("request", count);
  return requests;
}

async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, "hidden", { configurable: true, value: ${hidden} });
    document.dispatchEvent(new Event("visibilitychange"));
  `);
}

test("the page sends no requests while no run is going on; it polls a running one, but not in a hidden tab", async () => {
  await t.enter(async (page) => {
    expect(await countRequests(page)).toBe(0);
    await t.sql`insert into sync_runs (id, kind, status, started_by, lease_owner, lease_until, seen)
      values (gen_random_uuid(), 'backfill', 'running', 'person', gen_random_uuid(), now() + interval '1 hour', 7)`;
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("running", { exact: true }).waitFor();
    expect(await countRequests(page)).toBeGreaterThanOrEqual(1);
    await setHidden(page, true);
    await Bun.sleep(200);
    expect(await countRequests(page)).toBe(0);
    await t.sql`update sync_runs set status = 'done', finished_at = now(), seen = 4321`;
    await setHidden(page, false);
    await page.getByText("4,321").waitFor();
    expect(await countRequests(page)).toBe(0);
  });
});

test("while the server is unreachable the page says so, keeps the last figures, and recovers by itself", async () => {
  await t.signUp("user_PageStays");
  await t.enter(
    async (page) => {
      await page.context().setOffline(true);
      await page.getByRole("button", { name: "Refresh" }).click();
      await page.getByRole("alert").filter({ hasText: "The server does not answer. Trying again" }).waitFor();
      expect(await page.getByText("Active users").isVisible()).toBe(true);
      await page.context().setOffline(false);
      await page.getByText("The server does not answer.").waitFor({ state: "detached" });
    },
    { expectedErrors: /ERR_INTERNET_DISCONNECTED/ },
  );
});

test("a week without a webhook is an alarm, and a quiet minute is not", async () => {
  await t.signUp("user_PageSilence");
  await t.enter(async (page) => {
    expect(await page.locator(".alarms").innerText()).not.toContain("No webhook");
  });
  await t.sql`update webhook_events set received_at = received_at - interval '7 days'`;
  await t.enter(async (page) => {
    expect(await page.locator(".alarms").innerText()).toMatch(/No webhook for 7 days/);
    expect(await page.locator(".tile.bad").innerText()).toMatch(/Last webhook\s+7d ago\s+silent/);
  });
});

test("the page shows exactly the server's alarms, with their texts", async () => {
  await t.sql`alter type turma rename value 'neon_estrutura' to 'neon_base'`;
  try {
    await t.enter(async (page) => {
      const { alarms } = await t.services.status.getStatus();
      expect(alarms.map(({ code }) => code)).toContain("default_turma");
      await page.getByText("DEFAULT_TURMA is not a label of the enum turma").waitFor();
      const shown = await page.locator(".alarms li").allInnerTexts();
      expect(shown).toEqual(alarms.map(({ text }) => text));
    });
  } finally {
    await t.sql`alter type turma rename value 'neon_base' to 'neon_estrutura'`;
  }
});
