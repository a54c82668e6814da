import { expect, setDefaultTimeout, test } from "bun:test";
import { browserDeadlineMs } from "../support/browser.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { findUser, openOperatorPageTest } from "../support/operatorPage.ts";
import { openForFile } from "../support/toClose.ts";

setDefaultTimeout(browserDeadlineMs);
const t = openForFile(() => openOperatorPageTest());

test("a user is found by id, and the page says what the status means and what to do", async () => {
  await t.signUp("user_PageLinked", { first_name: "Lia", last_name: "Reis" });
  await t.signUp("user_PageUnverified", { verified: false });
  await t.signUp("user_PageBare", { email: null });
  await t.enter(async (page) => {
    const expectations = [
      ["user_PageLinked", /synced.*linked.*Stored and linked.*Lia Reis.*pagelinked@example.com.*neon_estrutura/s],
      ["user_PageUnverified", /synced.*unverified.*not verified.*Ask the person to verify/s],
      ["user_PageBare", /synced.*no_email.*no e-mail address.*add and verify/s],
      ["user_PageNobody", /missing.*not in the database.*Press Re-sync/s],
    ] as const;
    for (const [clerkId, said] of expectations) {
      await findUser(page, clerkId);
      const panel = page.getByRole("region", { name: clerkId });
      await panel.getByText("History").waitFor();
      expect(await panel.innerText()).toMatch(said);
    }
    // The address can be sent to a colleague.
    expect(new URL(page.url()).hash).toBe("#user_PageNobody");
    for (const [typed, said] of [
      ["ana@example.com", "Clerk dashboard"],
      ["user_a-b", "looks like"],
    ] as const) {
      await page.getByLabel("User id").fill(typed);
      await page.getByRole("button", { name: "Find" }).click();
      expect(await page.getByRole("search").getByRole("alert").innerText()).toContain(said);
    }
  });
});

test("a preview shows what a re-sync would change and writes nothing; the re-sync writes it", async () => {
  const clerkId = "user_PageLost";
  await t.signUp(clerkId, { first_name: "Old" });
  t.clerk.directory.update(clerkId, { first_name: "New" });
  const nameOf = async () => (await t.services.users.getUser(clerkId)).user?.name;
  await t.enter(async (page) => {
    await findUser(page, clerkId);
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("nothing is written").waitFor();
    const change = page.getByRole("row", { name: "Name Old Souza New Souza" });
    expect(await change.count()).toBe(1);
    expect(await nameOf()).toBe("Old Souza");
    await page.getByRole("button", { name: "Re-sync" }).click();
    await page.getByText("Re-synced.").waitFor();
    expect(await nameOf()).toBe("New Souza");
    await page.getByText("by resync").waitFor();
  });
});

test("a re-sync that Clerk or the server refuses says why", async () => {
  await t.enter(
    async (page) => {
      await findUser(page, "user_PageUnknown");
      await page.getByRole("button", { name: "Re-sync" }).click();
      await page.getByText("Neither Clerk nor the database knows this user.").waitFor();
    },
    { expectedErrors: /status of 404/ },
  );
});

test("a dead event is shown with its error and payload, and leaves the list once a replay settles it", async () => {
  const broken = userEvent(clerkUser("user_PageDead"), { data: {} });
  await t.deliver(broken, { svixId: "msg_page_dead" });
  await t.enter(async (page) => {
    const dead = page.getByRole("region", { name: "Dead events" });
    const row = dead.getByRole("listitem").filter({ hasText: "msg_page_dead" });
    expect(await row.innerText()).toContain("no usable user id");
    await row.getByRole("button", { name: "Payload" }).click();
    await row.getByText('"type": "user.updated"').waitFor();
    await row.getByRole("button", { name: "Replay" }).click();
    await dead.getByText("still dead").waitFor();
    const mended = JSON.stringify(userEvent(clerkUser("user_PageDead")));
    await t.sql`update webhook_events set payload = ${mended} where svix_id = 'msg_page_dead'`;
    await row.getByRole("button", { name: "Replay" }).click();
    await dead.getByText("msg_page_dead was replayed: applied.").waitFor();
    await row.waitFor({ state: "detached" });
    expect((await t.services.users.getUser("user_PageDead")).state).toBe("synced");
  });
});

test("a conflict is shown with its candidates, and settled by linking the right one", async () => {
  const clerkId = "user_PageTwins";
  await t.sql`insert into mentorados (nome_completo, email, turma)
    values ('Twin One', 'pagetwins@example.com', 'neon_escala'), ('Twin Two', 'pagetwins@example.com', 'neon_escala')`;
  await t.signUp(clerkId);
  await t.enter(async (page) => {
    const conflicts = page.getByRole("region", { name: "Conflicts" });
    const row = conflicts.getByRole("listitem").filter({ hasText: clerkId });
    expect(await row.innerText()).toContain("2 mentorados have the address");
    await findUser(page, clerkId);
    const panel = page.getByRole("region", { name: clerkId });
    await panel.getByText("conflict", { exact: true }).waitFor();
    await row.getByRole("button", { name: "Link", description: "Twin Two" }).click();
    await conflicts.getByText(`Linked: Twin Two is ${clerkId} now.`).waitFor();
    await row.waitFor({ state: "detached" });
    expect((await t.services.users.getUser(clerkId)).mentorado?.nomeCompleto).toBe("Twin Two");
    await panel.getByText("linked", { exact: true }).waitFor();
    // And taken back, which sticks.
    await page.getByRole("button", { name: "Unlink…" }).click();
    await page.getByRole("button", { name: "Unlink", exact: true }).click();
    await page.getByText("Unlinked: Twin Two has no user now.").waitFor();
    expect(await t.services.users.getUser(clerkId)).toMatchObject({ link: "conflict", mentorado: null });
  });
});

test("a dry run of a reconcile is started, followed to its end, and writes nothing", async () => {
  await t.signUp("user_PageDrift", { first_name: "Before" });
  t.clerk.directory.update("user_PageDrift", { first_name: "After" });
  await t.enter(async (page) => {
    const runs = page.getByRole("region", { name: "Runs" });
    expect(await runs.getByLabel("Dry run").isChecked()).toBe(true);
    await runs.getByRole("button", { name: "Start reconcile" }).click();
    const run = runs.getByRole("listitem").filter({ hasText: "reconcile" }).filter({ hasText: "done" });
    await run.waitFor();
    expect(await run.innerText()).toContain("dry run");
    const drift = await run.locator("dl > div").filter({ hasText: "drift" }).locator("dd").innerText();
    expect(Number(drift)).toBeGreaterThanOrEqual(1);
    expect((await t.services.users.getUser("user_PageDrift")).user?.name).toBe("Before Souza");
    await page.getByText(/a dry run: it found/).waitFor();
  });
});

test("a run that is going on can be cancelled", async () => {
  await t.sql`insert into sync_runs (id, kind, status, started_by, lease_owner, lease_until)
    values (gen_random_uuid(), 'backfill', 'running', 'person', gen_random_uuid(), now() + interval '1 hour')`;
  await t.enter(async (page) => {
    const runs = page.getByRole("region", { name: "Runs" });
    expect(await runs.getByRole("button", { name: "Start backfill" }).isDisabled()).toBe(true);
    await runs.getByRole("button", { name: "Cancel" }).click();
    const request = () => t.sql`select cancel_requested_at as at from sync_runs where kind = 'backfill'`;
    while ((await request())[0]?.["at"] === null) await Bun.sleep(20);
  });
  await t.sql`delete from sync_runs where kind = 'backfill'`;
});

test("a delivery that arrives shows in the plot and its figures", async () => {
  await t.signUp("user_PagePlot");
  await t.enter(async (page) => {
    const plot = page.getByRole("slider", { name: "Deliveries by hour" });
    const appliedThisHour = async () =>
      Number(/(\d+) applied/.exec((await plot.getAttribute("aria-valuetext")) ?? "")?.[1]);
    const drawn = async () => {
      const height = Number(await page.locator("svg.bars rect.applied").last().getAttribute("height"));
      const top = await page.locator(".axis.deliveries .tick").last().innerText();
      return Math.round((height / 100) * Number(top));
    };
    const sum = page
      .getByRole("row", { name: /^applied/ })
      .getByRole("cell")
      .first();
    const before = { sum: Number(await sum.innerText()), hour: await appliedThisHour(), drawn: await drawn() };
    expect(before.drawn).toBe(before.hour);
    await t.signUp("user_PagePlotted");
    await page.getByRole("button", { name: "Refresh" }).click();
    await sum.filter({ hasText: new RegExp(`^${before.sum + 1}$`) }).waitFor();
    expect(await appliedThisHour()).toBe(before.hour + 1);
    expect(await drawn()).toBe(before.hour + 1);
  });
});
