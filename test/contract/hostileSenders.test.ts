import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { clerkUser, userEvent } from "../support/events.ts";
import { startServerProcess, waitFor } from "../support/serverProcess.ts";
import { signDelivery } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForFile } from "../support/toClose.ts";

setDefaultTimeout(30_000);

const db = openForFile(() => openTestDatabase());
const server = openForFile(() => startServerProcess({ databaseUrl: db.url }));

interface Exchange {
  /** What came back so far. */
  readonly heard: () => string;
  readonly isClosed: () => boolean;
  readonly write: (data: string | Buffer) => Promise<void>;
  readonly end: () => void;
  readonly destroy: () => void;
}

/** A client that writes what no HTTP library would. */
async function openRaw(): Promise<Exchange> {
  const socket = connect({ port: Number(new URL(server.url).port), host: "127.0.0.1" });
  let heard = "";
  let isClosed = false;
  socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
  socket.on("error", () => socket.destroy());
  socket.on("close", () => (isClosed = true));
  await new Promise<void>((done) => socket.once("connect", done));
  return {
    heard: () => heard,
    isClosed: () => isClosed,
    write: (data) =>
      new Promise<void>((done) => {
        if (isClosed) done();
        else socket.write(data, () => done());
        setTimeout(done, 500).unref();
      }),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  };
}

/** Status and body of the answer to these bytes. */
async function say(text: string | Buffer): Promise<{ status: number; body: string }> {
  const raw = await openRaw();
  await raw.write(text);
  return answerOf(raw);
}

async function answerOf(raw: Exchange, deadlineMs = 10_000): Promise<{ status: number; body: string }> {
  await waitFor(() => raw.isClosed() || /\r\n\r\n./s.test(raw.heard()), { deadlineMs, what: "an answer" });
  const [head = "", body = ""] = raw.heard().split("\r\n\r\n");
  raw.destroy();
  return { status: Number(/^HTTP\/1.1 (\d+)/.exec(head)?.[1] ?? 0), body };
}

const requestLine = "POST /api/webhooks/clerk HTTP/1.1\r\nhost: x\r\n";
const headersOf = (body: string) =>
  Object.entries(signDelivery(body))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
const eventOf = (id: string) => JSON.stringify(userEvent(clerkUser(id)));
const memoryMiB = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024;

async function expectAlive(): Promise<void> {
  const said = server.output().split("\n").slice(0, -1);
  expect(said.filter((line) => !line.startsWith("{"))).toEqual([]);
  expect(server.logs.filter((line) => line.level >= 50)).toEqual([]);
  expect((await server.get("/healthz")).status).toBe(200);
  expect((await server.deliver(userEvent(clerkUser("user_Alive")))).status).toBe(200);
}

test("a chunked body without a length is accepted, however it is split", async () => {
  const body = eventOf("user_Chunked");
  const chunks = body.match(/.{1,7}/gs) ?? [];
  const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
  const { status, body: said } = await say(
    `${requestLine}${headersOf(body)}transfer-encoding: chunked\r\n\r\n${coded}0\r\n\r\n`,
  );
  expect(status).toBe(200);
  expect(said).toContain("applied");
});

test("a declared length over the limit, however large, is 413 in JSON before a byte arrives", async () => {
  for (const length of [1024 * 1024 + 1, 200 * 1024 * 1024, 10_000_000_000]) {
    const { status, body } = await say(`${requestLine}${headersOf("")}content-length: ${length}\r\n\r\n{`);
    expect([length, status]).toEqual([length, 413]);
    expect(body).toContain("payload_too_large");
  }
});

test("wrong or contradictory lengths are rejected, and other requests are unaffected", async () => {
  const body = eventOf("user_Lied");
  const signed = `${requestLine}${headersOf(body)}`;
  for (const headers of [
    "content-length: abc",
    "content-length: -5",
    `content-length: ${body.length}\r\ncontent-length: 5`,
    `content-length: ${body.length}\r\ntransfer-encoding: chunked`,
  ]) {
    expect((await say(`${signed}${headers}\r\n\r\n${body}`)).status).toBe(400);
  }
  expect((await say(`${signed}transfer-encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`)).status).toBe(400);
  // Too short: only the part that was declared is the body, and it is not what was signed.
  expect((await say(`${signed}content-length: 10\r\n\r\n${body}`)).status).toBe(400);
  // Too long, and then closed: no client is left to be answered.
  const gone = await openRaw();
  await gone.write(`${signed}content-length: ${body.length + 100}\r\n\r\n${body}`);
  gone.destroy();
  expect((await say("\0\u0001 GARBAGE\r\n\r\n")).status).toBe(400);
  expect((await say(`${requestLine}x: ${"a".repeat(200_000)}\r\n\r\n`)).status).toBe(431);
  await expectAlive();
  expect(await db.sql`select from users where clerk_id = 'user_Lied'`).toHaveLength(0);
});

test("slow or stalled senders are answered 408 within 10 s while others are served", async () => {
  const body = eventOf("user_Slow");
  const slow = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const raw = await openRaw();
      await raw.write(`${requestLine}${headersOf(body)}content-length: ${body.length}\r\n\r\n${body.slice(0, 50)}`);
      return raw;
    }),
  );
  const answers = Promise.all(slow.map((raw) => answerOf(raw)));
  const startedAtMs = Date.now();
  for (let place = 0; place < 20; place += 1) {
    const { status, ms } = await server.deliver(userEvent(clerkUser(`user_Beside${place}`)));
    expect([status, ms < 1_000]).toEqual([200, true]);
  }
  expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([408]));
  expect(Date.now() - startedAtMs).toBeLessThan(10_000);
  await expectAlive();
});

test("signed deliveries are served during a flood of unsigned and wrongly signed ones, and memory stays flat", async () => {
  for (let place = 0; place < 50; place += 1) await server.deliver(userEvent(clerkUser(`user_Warm${place}`)));
  const before = memoryMiB();
  const flooding = new AbortController();
  const filler = "x".repeat(100_000);
  const wrong = { ...signDelivery("other"), "content-type": "application/json" };
  const flood = Array.from({ length: 8 }, async (_, sender) => {
    let sent = 0;
    while (!flooding.signal.aborted) {
      const headers = sender % 2 === 0 ? {} : wrong;
      const res = await fetch(`${server.url}/api/webhooks/clerk`, { method: "POST", body: filler, headers });
      expect(res.status).toBe(400);
      await res.text();
      sent += 1;
    }
    return sent;
  });
  const endsAtMs = Date.now() + 3_000;
  const times: number[] = [];
  while (Date.now() < endsAtMs) {
    const { status, ms } = await server.deliver(userEvent(clerkUser(`user_Flood${times.length}`)));
    expect(status).toBe(200);
    times.push(ms);
  }
  flooding.abort();
  const sent = (await Promise.all(flood)).reduce((sum, count) => sum + count, 0);
  expect(sent).toBeGreaterThan(100);
  expect(Math.max(...times)).toBeLessThan(3_000);
  expect(memoryMiB() - before).toBeLessThan(100);
  await expectAlive();
});

test("bodies without end are cut off at the limit, and memory stays flat", async () => {
  const before = memoryMiB();
  const block = Buffer.alloc(65_536, 97);
  const coded = Buffer.concat([Buffer.from("10000\r\n"), block, Buffer.from("\r\n")]);
  const statuses = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const raw = await openRaw();
      await raw.write(`${requestLine}${headersOf("x")}transfer-encoding: chunked\r\n\r\n`);
      // 50 MiB each, were it taken.
      for (let sent = 0; sent < 800 && !raw.isClosed() && raw.heard() === ""; sent += 1) await raw.write(coded);
      return (await answerOf(raw)).status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([413]));
  expect(memoryMiB() - before).toBeLessThan(60);
  await expectAlive();
});
