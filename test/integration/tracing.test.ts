import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { parseConfig } from "../../src/config.ts";
import { silentLog } from "../../src/log.ts";
import { startServer } from "../../src/server.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { signDelivery, testSecret } from "../support/testApp.ts";
import { openServer } from "../support/openServer.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForFile } from "../support/toClose.ts";

const db = openForFile(() => openTestDatabase());

interface Exported {
  resourceSpans: { scopeSpans: { spans: { name: string; attributes: { key: string }[] }[] }[] }[];
}

/** A collector that keeps the text of what it gets, and answers when `answer` says. */
function openCollector(answer: () => Promise<Response>) {
  const texts: string[] = [];
  const server = openServer(async (req) => {
    texts.push(`${new URL(req.url).pathname} ${await req.text()}`);
    return answer();
  });
  return { texts, url: server.origin, close: server.close };
}

function start(endpoint: string) {
  const env = {
    DATABASE_URL: db.url,
    CLERK_WEBHOOK_SECRET: testSecret,
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    PORT: "0",
    HOST: "127.0.0.1",
  };
  return startServer(parseConfig(env, { mode: "start" }), silentLog);
}

async function deliver(port: number, clerkId: string): Promise<number> {
  const body = JSON.stringify(userEvent(clerkUser(clerkId)));
  const url = `http://127.0.0.1:${port}/api/webhooks/clerk`;
  return (await fetch(url, { method: "POST", body, headers: signDelivery(body) })).status;
}

test("deliveries and commits become spans, flushed at the shutdown, without a personal word in them", async () => {
  const collector = openCollector(() => Promise.resolve(Response.json({})));
  const server = start(collector.url);
  await Bun.sleep(300);
  expect(await deliver(server.port, "user_Traced")).toBe(200);
  await server.stop();
  await collector.close();
  const [first = ""] = collector.texts;
  expect(first).toStartWith("/v1/traces ");
  const { resourceSpans } = JSON.parse(first.slice("/v1/traces ".length)) as Exported;
  const spans = resourceSpans.flatMap((resource) => resource.scopeSpans.flatMap((scope) => scope.spans));
  expect(spans.map((span) => span.name).sort()).toEqual(["batch commit", "webhook delivery"]);
  for (const personal of ["user_Traced", "traced@example.com", "Ana", "Souza", "msg_"]) {
    expect(collector.texts.join()).not.toContain(personal);
  }
});

test("a collector that hangs, or is away, delays neither an answer nor the shutdown", async () => {
  const hanging = openCollector(() => new Promise<Response>(() => {}));
  for (const endpoint of [hanging.url, "http://127.0.0.1:9"]) {
    const server = start(endpoint);
    await Bun.sleep(300);
    const sentAtMs = Date.now();
    expect(await deliver(server.port, "user_Hanging")).toBe(200);
    expect(Date.now() - sentAtMs).toBeLessThan(1_000);
    const stoppedAtMs = Date.now();
    await server.stop();
    expect(Date.now() - stoppedAtMs).toBeLessThan(2_000);
  }
  expect(hanging.texts.length).toBe(1);
  await hanging.close();
}, 15_000);

test.each([
  ["without an endpoint no SDK or exporter of OpenTelemetry is loaded", "", false],
  ["with one it is", "http://127.0.0.1:9", true],
])(
  "%s",
  (_, endpoint, isLoaded) => {
    const script = `
    const { startServer } = await import("./src/server.ts");
    const { parseConfig } = await import("./src/config.ts");
    const { silentLog } = await import("./src/log.ts");
    const server = startServer(parseConfig(process.env, { mode: "start" }), silentLog);
    await Bun.sleep(500);
    await server.stop();
    const loaded = Object.keys(require.cache);
    if (!loaded.some((path) => path.includes("src/server.ts"))) throw new Error("the list of modules is not one");
    console.log(loaded.some((path) => /@opentelemetry.(?:sdk|exporter|otlp)/.test(path)));`;
    const result = spawnSync(process.execPath, ["--no-env-file", "-e", script], {
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"],
        DATABASE_URL: db.url,
        CLERK_WEBHOOK_SECRET: testSecret,
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        PORT: "0",
        HOST: "127.0.0.1",
      },
    });
    expect(result.stderr).toBe("");
    expect(result.stdout.trim()).toBe(String(isLoaded));
  },
  15_000,
);
