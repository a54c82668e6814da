import { expect } from "bun:test";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** Starting Chromium on a busy machine. */
export const browserDeadlineMs = 60_000;
/** For actions that take no time on an idle machine. */
const actionTimeoutMs = 15_000;

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * A real Chromium with fresh browser data, which go when it is closed.
 * @throws Error that says what to install, if there is none
 */
export async function openBrowser(): Promise<Browser> {
  const executablePath =
    process.env["CHROMIUM_PATH"] ??
    Bun.which("chromium") ??
    Bun.which("chromium-browser") ??
    Bun.which("google-chrome");
  if (!executablePath) {
    throw new Error(
      "The tests of the operator page need Chromium. Install it (Debian: apt-get install chromium) or set CHROMIUM_PATH.",
    );
  }
  return chromium.launch({ executablePath, args: flags, timeout: browserDeadlineMs });
}

/** Where the page is, beside the options of Playwright's context. */
export interface PageOptions extends BrowserContextOptions {
  readonly origin: string;
  /** Where the page is; by default `/`. */
  readonly path?: string;
  /** Expected messages of the console: the browser reports refused requests by itself. */
  readonly expectedErrors?: RegExp;
}

/** A page with browser data of its own. Fails on an error, a console warning, or a request to another origin. */
export async function withPage(
  browser: Browser,
  { origin, path = "/", expectedErrors, ...options }: PageOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options);
  const problems: string[] = [];
  context.setDefaultTimeout(actionTimeoutMs);
  context.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) problems.push(`asked ${request.url()}`);
  });
  context.on("weberror", (error) => problems.push(`threw ${error.error().message}`));
  context.on("console", (message) => {
    const serious = message.type() === "error" || message.type() === "warning";
    if (serious && !expectedErrors?.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  try {
    const page = await context.newPage();
    await page.goto(new URL(path, origin).href);
    await use(page);
    expect(problems).toEqual([]);
  } finally {
    await context.close();
  }
}
