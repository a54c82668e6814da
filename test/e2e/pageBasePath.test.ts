import { setDefaultTimeout, test } from "bun:test";
import { browserDeadlineMs } from "../support/browser.ts";
import { findUser, openOperatorPageTest } from "../support/operatorPage.ts";
import { openForFile } from "../support/toClose.ts";

setDefaultTimeout(browserDeadlineMs);
const t = openForFile(() => openOperatorPageTest({ basePath: "/below/here" }));

test.each(["/below/here", "/below/here/"])(
  "mounted under a base path the page works at %s, and so do its calls",
  async (path) => {
    const clerkId = path.endsWith("/") ? "user_WithSlash" : "user_Without";
    await t.signUp(clerkId);
    await t.enter(
      async (page) => {
        await findUser(page, clerkId);
        await page.getByRole("button", { name: "Re-sync" }).click();
        await page.getByText("Re-synced.").waitFor();
      },
      { path },
    );
  },
);
