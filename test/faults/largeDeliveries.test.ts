import { expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { clerkUser, userEvent } from "../support/events.ts";
import { startServerProcess, type ServerProcess } from "../support/serverProcess.ts";
import { testSecret } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const residentMiBMax = 300;
const deliveriesAtOnce = 300;
const bodyBytes = 900_000;

/** The most memory that a process has held so far, from proc(5). */
function findPeakMiB({ pid }: ServerProcess): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) / 1024;
}

/** As svix signs, but without its hash in JavaScript, which takes as long as everything else here. */
function sign(svixId: string, body: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const key = Buffer.from(testSecret.slice("whsec_".length), "base64");
  const signature = createHmac("sha256", key).update(`${svixId}.${timestamp}.${body}`).digest("base64");
  return { "svix-id": svixId, "svix-timestamp": timestamp, "svix-signature": `v1,${signature}` };
}

/** An event of about 900 KB: a user whose metadata hold as many of these as fit. */
function largeEvent(clerkId: string, part: unknown): string {
  const parts = Array.from({ length: Math.floor(bodyBytes / (JSON.stringify(part).length + 1)) }, () => part);
  return JSON.stringify(userEvent(clerkUser(clerkId, { public_metadata: { parts } })));
}

test.skipIf(!existsSync("/proc/self/status")).each([
  ["long texts", "x".repeat(50_000)],
  // One character outside Latin-1 makes the whole text twice as long in memory.
  ["long texts outside Latin-1", `✓${"x".repeat(50_000)}`],
])(
  "300 deliveries of 900 KB at once (%s) stay under 300 MiB resident; small ones beside them are applied",
  async (_, part) => {
    const db = await openForTest(openTestDatabase());
    const server = await openForTest(startServerProcess({ databaseUrl: db.url }));
    expect((await server.deliver(userEvent(clerkUser("user_First")))).status).toBe(200);
    const bodies = Array.from({ length: 30 }, (_unused, place) => largeEvent(`user_Large${place}`, part));
    const deliverLarge = async (place: number) => {
      const body = bodies[place % bodies.length] ?? "";
      const headers = sign(`msg_large_${place}`, body);
      const res = await fetch(`${server.url}/api/webhooks/clerk`, { method: "POST", body, headers });
      if (res.status === 200) return "200";
      const { error } = (await res.json()) as { error: { code: string } };
      return `${res.status} ${error.code}${res.headers.has("retry-after") ? " with Retry-After" : ""}`;
    };
    const [large, small] = await Promise.all([
      Promise.all(Array.from({ length: deliveriesAtOnce }, (_unused, place) => deliverLarge(place))),
      Promise.all(
        Array.from({ length: 50 }, (_unused, place) => server.deliver(userEvent(clerkUser(`user_S${place}`)))),
      ),
    ]);
    expect(findPeakMiB(server)).toBeLessThan(residentMiBMax);
    expect(new Set(large)).toEqual(new Set(["200", "503 unavailable with Retry-After"]));
    expect(new Set(small.map(({ status }) => status))).toEqual(new Set([200]));
    // The room is given back.
    expect(await deliverLarge(0)).toBe("200");
  },
  90_000,
);
