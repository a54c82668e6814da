import { expect, setDefaultTimeout, test } from "bun:test";
import type { Page } from "playwright-core";
import { browserDeadlineMs } from "../support/browser.ts";
import { deliverDemo, findUser, giveToken, openOperatorPageTest } from "../support/operatorPage.ts";
import { testAdminToken } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

setDefaultTimeout(browserDeadlineMs);
const verifySession = (token: string) => Promise.resolve(/^user_\w+$/.test(token) ? { clerkId: token } : null);
const t = openForFile(() => openOperatorPageTest({ app: { verifySession } }));

/** Run in the browser. */
const describeFocus = `(() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  const name = document.activeElement.innerText || document.activeElement.id;
  return { name, visible: outlineStyle !== "none" && outlineWidth !== "0px" };
})()`;

/** Run in the browser: what can be pressed or filled in, and is smaller than a finger needs. */
const listSmallTargets = `[...document.querySelectorAll("a, button, input, select, summary")]
  .filter((element) => element.checkVisibility())
  .map((element) => ({ text: element.innerText || element.id || element.type, box: element.getBoundingClientRect() }))
  .flatMap(({ text, box }) => (box.height < 24 || box.width < 24 ? [text + " " + box.width + "×" + box.height] : []))`;

test("a wrong token is rejected at the sign-in form; the right one is kept for this tab alone", async () => {
  await t.open(
    async (page) => {
      const field = page.getByLabel("Admin token");
      for (const [wrong, said] of [
        ["x".repeat(32), "does not accept this token"],
        ["tökën ☃", "cannot be a token"],
      ] as const) {
        await field.fill(wrong);
        await page.keyboard.press("Enter");
        await page.getByRole("alert").filter({ hasText: said }).waitFor();
        // Kept, to be corrected.
        expect(await page.locator("#token:focus").inputValue()).toBe(wrong);
      }
      expect(await page.evaluate("sessionStorage.length")).toBe(0);
      await giveToken(page);
      await page.reload();
      await page.locator(".updated time").waitFor();
      const other = await page.context().newPage();
      await other.goto(t.origin);
      await other.getByLabel("Admin token").waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await field.waitFor();
      expect(await page.evaluate("sessionStorage.length + localStorage.length")).toBe(0);
    },
    { expectedErrors: /status of 401/ },
  );
});

test("a token that is no longer accepted signs the tab out and says why", async () => {
  await t.enter(
    async (page) => {
      await page.evaluate("for (const key of Object.keys(sessionStorage)) sessionStorage[key] = 'no-longer-the-token'");
      await page.getByRole("button", { name: "Refresh" }).click();
      await page.getByRole("alert").filter({ hasText: "does not accept this token" }).waitFor();
      await page.getByLabel("Admin token").waitFor();
    },
    { expectedErrors: /status of 401/ },
  );
});

test("names and payloads with markup are shown as text, and no script in them runs", async () => {
  const markup = `<img src=x onerror="window.ran=1"><script>window.ran=2</script>`;
  await t.sql`insert into mentorados (nome_completo, email, turma)
    values (${markup}, 'pagemarkup@example.com', 'neon_escala'), ('B', 'pagemarkup@example.com', 'neon_escala')`;
  await t.signUp("user_PageMarkup", { first_name: markup, last_name: null });
  await t.deliver(`{"type": ${JSON.stringify(markup)}, "data": {"user_id": "user_PageMarkup"}}`);
  await t.deliver(markup, { svixId: markup });
  await t.enter(async (page) => {
    await findUser(page, "user_PageMarkup");
    await page.getByRole("definition").filter({ hasText: markup }).waitFor();
    const dead = page.getByRole("region", { name: "Dead events" }).getByRole("listitem").filter({ hasText: markup });
    await dead.getByRole("button", { name: "Payload" }).click();
    await dead.locator("pre").filter({ hasText: markup }).waitFor();
    await page.getByText(markup).nth(3).waitFor();
    expect(await page.locator("#page :is(img, script, iframe)").count()).toBe(0);
    expect(await page.evaluate("window.ran")).toBeUndefined();
  });
});

test("every control is reachable by keyboard, and the focus is always visible", async () => {
  await t.signUp("user_PageKeys", { first_name: "Old" });
  t.clerk.directory.update("user_PageKeys", { first_name: "New" });
  await t.open(async (page) => {
    const focused = () => page.evaluate<{ name: string; visible: boolean }>(describeFocus);
    const tabTo = async (name: string) => {
      for (let presses = 0; presses < 80; presses++) {
        const place = await focused();
        expect(place).toEqual({ name: place.name, visible: true });
        if (place.name === name) return;
        await page.keyboard.press("Tab");
      }
      throw new Error(`Tab never comes to ${name}`);
    };
    await page.keyboard.type(testAdminToken);
    await page.keyboard.press("Enter");
    await page.locator(".updated time").waitFor();
    await page.keyboard.press("/");
    expect((await focused()).name).toBe("user-id");
    await page.keyboard.type("user_PageKeys");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Re-sync" }).waitFor();
    await tabTo("Re-sync");
    await page.keyboard.press("Enter");
    await page.getByText("Re-synced.").waitFor();
    expect((await t.services.users.getUser("user_PageKeys")).user?.name).toBe("New Souza");
    await tabTo("24 h");
    await page.keyboard.press("Space");
    await tabTo("7 days");
    // On to the plot, which the arrows read.
    await page.keyboard.press("Tab");
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowLeft");
    expect(await page.getByRole("slider").getAttribute("aria-valuenow")).toBe("22");
    await tabTo("Start reconcile");
  });
});

test("at 390 pixels nothing is wider than the screen, in light and in dark mode", async () => {
  const longId = `user_${"W".repeat(59)}`;
  await t.signUp(longId, { first_name: "W".repeat(200), email: `${"w".repeat(60)}@example.com` });
  await t.deliver({ type: "t".repeat(200), data: { user_id: longId } }, { svixId: "m".repeat(200) });
  await t.deliver(`"${"p".repeat(3000)}"`, { svixId: `msg_${"d".repeat(200)}` });
  for (const colorScheme of ["light", "dark"] as const) {
    const overflow = (page: Page) => page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
    await t.open(
      async (page) => {
        expect(await overflow(page)).toBeLessThanOrEqual(0);
        await giveToken(page);
        await findUser(page, longId);
        await page.getByText("As a table").click();
        await page.getByRole("button", { name: "Show" }).click();
        for (const name of ["Dead events", longId, "All events"]) {
          const region = page.getByRole("region", { name });
          await region.getByRole("button", { name: "Payload" }).first().click();
          await region.locator("pre").waitFor();
        }
        expect(await overflow(page)).toBeLessThanOrEqual(0);
      },
      { viewport: { width: 390, height: 844 }, colorScheme },
    );
  }
});

test("every button, link and field is at least 24 by 24 pixels, on a desktop and on a phone (WCAG 2.5.8)", async () => {
  await deliverDemo(t);
  const expectLargeTargets = async (page: Page) => expect(await page.evaluate<string[]>(listSmallTargets)).toEqual([]);
  for (const viewport of [
    { width: 1280, height: 900 },
    { width: 390, height: 844 },
  ]) {
    await t.open(
      async (page) => {
        await expectLargeTargets(page);
        await giveToken(page);
        await page.getByRole("button", { name: "Show" }).click();
        await page.locator("#ledger .event").first().waitFor();
        expect(await page.locator(".jump").count()).toBeGreaterThan(0);
        for (const clerkId of ["user_duda", "user_ana"]) {
          await findUser(page, clerkId);
          await page.getByRole("region", { name: clerkId }).getByText("History").waitFor();
          for (const text of ["Another mentorado…", "Unlink…"])
            for (const opener of await page.getByText(text).all()) await opener.click();
          await expectLargeTargets(page);
        }
      },
      { viewport },
    );
  }
});

test("the Clerk session of an admin opens the page without a token; that of another user is told which role is missing", async () => {
  await t.signUp("user_PageAdmin", { public_metadata: { role: "admin" } });
  await t.signUp("user_PageUser");
  const withSession = (value: string) => {
    const cookie = { name: "__session_Ab12", value, domain: "127.0.0.1", path: "/", sameSite: "Lax" as const };
    return { storageState: { cookies: [{ ...cookie, expires: -1, httpOnly: false, secure: false }], origins: [] } };
  };
  await t.open((page) => page.locator(".updated time").waitFor(), withSession("user_PageAdmin"));
  await t.open(
    async (page) => {
      await page.getByRole("alert").filter({ hasText: "does not have the role admin" }).waitFor();
      // The token still does.
      await giveToken(page);
    },
    { ...withSession("user_PageUser"), expectedErrors: /status of 403/ },
  );
});
