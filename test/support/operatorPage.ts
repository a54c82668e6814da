import { Hono } from "hono";
import type { Browser, Page } from "playwright-core";
import { openServer } from "./openServer.ts";
import { createClerkApi } from "../../src/clerk/createClerkApi.ts";
import { registeredMentorados, makeDemoDeliveries } from "../../src/dev/demoDeliveries.ts";
import { openSimulatedClerk, type SimulatedClerk } from "../../src/dev/clerk/simulatedClerk.ts";
import type { AppDeps } from "../../src/http/app.ts";
import { silentLog } from "../../src/log.ts";
import { openBrowser, withPage, type PageOptions } from "./browser.ts";
import { clerkUser } from "./events.ts";
import { openTestApp, testAdminToken, type TestApp } from "./testApp.ts";

export interface OperatorPageTest extends TestApp {
  readonly clerk: SimulatedClerk;
  readonly origin: string;
  readonly browser: Browser;
  /** A user signs up at Clerk, and the webhook arrives. */
  readonly signUp: (clerkId: string, changes?: Readonly<Record<string, unknown>>) => Promise<void>;
  /** A page that asks for the token. */
  readonly open: (use: (page: Page) => Promise<void>, options?: Partial<PageOptions>) => Promise<void>;
  /** A page whose token was entered. */
  readonly enter: (use: (page: Page) => Promise<void>, options?: Partial<PageOptions>) => Promise<void>;
}

/**
 * The app on a port of its own, beside a simulated Clerk, and a browser to look at it.
 * @param options.basePath where another app mounts it
 */
export async function openOperatorPageTest(
  options: { app?: Partial<AppDeps>; basePath?: string } = {},
): Promise<OperatorPageTest> {
  const clerk = await openSimulatedClerk({ requestsPer10s: Infinity });
  const api = createClerkApi({ secretKey: clerk.secretKey, apiUrl: clerk.apiUrl, log: silentLog });
  const app = await openTestApp({ ...options, clerk: api });
  const served = options.basePath === undefined ? app.app : new Hono().route(options.basePath, app.app);
  const server = openServer((req, self) => served.fetch(req, self));
  const { origin } = server;
  const browser = await openBrowser();
  const open: OperatorPageTest["open"] = (use, options) => withPage(browser, { origin, ...options }, use);
  return {
    ...app,
    clerk,
    origin,
    browser,
    open,
    signUp: async (clerkId, changes) => {
      const { body, svixId } = clerk.changes.createUser(clerkUser(clerkId, changes));
      await app.deliver(body, { svixId });
    },
    enter: (use, options) =>
      open(async (page) => {
        await giveToken(page);
        await use(page);
      }, options),
    close: async () => {
      await browser.close();
      await server.close();
      await clerk.close();
      await app.close();
    },
  };
}

/** Fills the database with what `bun run demo` ends with: dead event, conflict, deleted users and all. */
export async function deliverDemo({ clerk, sql, deliver }: OperatorPageTest): Promise<void> {
  for (const { nomeCompleto, ...rest } of registeredMentorados)
    await sql`insert into mentorados ${sql({ nome_completo: nomeCompleto, ...rest })}`;
  for (const { event, forged } of makeDemoDeliveries(clerk))
    if (forged !== true) await deliver(JSON.parse(event.body), { svixId: event.svixId });
}

/** Enters the admin token and waits until the figures are loaded. */
export async function giveToken(page: Page, token = testAdminToken): Promise<void> {
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.locator(".updated time").waitFor({ state: "attached" });
}

/** Searches for a user and waits until its panel is open. */
export async function findUser(page: Page, clerkId: string): Promise<void> {
  await page.getByLabel("User id").fill(clerkId);
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("heading", { name: clerkId }).waitFor();
}
