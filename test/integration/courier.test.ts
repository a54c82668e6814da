import { afterEach, beforeEach, expect, test } from "bun:test";
import { Webhook } from "svix";
import type { ClerkEvent } from "../../src/dev/clerk/clerkEvents.ts";
import { createCourier, type Courier, type CourierOptions, type DeliveryAttempt } from "../../src/dev/clerk/courier.ts";
import { testSecret } from "../support/testApp.ts";

const otherSecret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;

interface Arrival {
  readonly svixId: string;
  readonly timestamp: string;
  readonly atMs: number;
  readonly verified: readonly boolean[];
}

let arrivals: Arrival[];
let attempts: DeliveryAttempt[];
let answer: (nth: number) => Response | Promise<Response>;
let server: Bun.Server<undefined>;
const couriers: Courier[] = [];
beforeEach(() => {
  arrivals = [];
  attempts = [];
  answer = () => Response.json({ outcome: "applied" });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (req) => {
      if (req.url.endsWith("/elsewhere")) return new Response();
      const body = await req.text();
      const headers = Object.fromEntries(req.headers);
      const proves = (secret: string) => {
        try {
          new Webhook(secret).verify(body, headers);
          return true;
        } catch {
          return false;
        }
      };
      const { "svix-id": svixId = "", "svix-timestamp": timestamp = "" } = headers;
      arrivals.push({ svixId, timestamp, atMs: performance.now(), verified: [testSecret, otherSecret].map(proves) });
      return answer(arrivals.length);
    },
  });
});
afterEach(async () => {
  for (const courier of couriers.splice(0)) await courier.stop();
  await server.stop(true);
});

function open(options: Partial<CourierOptions> = {}): Courier {
  const courier = createCourier({
    url: server.url.href,
    secrets: [testSecret],
    onAttempt: (attempt) => attempts.push(attempt),
    ...options,
  });
  couriers.push(courier);
  return courier;
}

const event = (n = 1): ClerkEvent => ({
  svixId: `msg_${n}`,
  type: "user.created",
  clerkId: "user_a",
  body: `{"n":${n}}`,
});

test("a delivery carries a signature of each secret over the exact body", async () => {
  const { status, said } = await open({ secrets: [testSecret, otherSecret] }).send(event());
  expect([status, said]).toEqual([200, "applied"]);
  await open().send(event());
  expect(arrivals.map(({ verified }) => verified)).toEqual([
    [true, true],
    [true, false],
  ]);
});

test.each([
  ["a 4xx", () => new Response(null, { status: 400 })],
  ["a 5xx", () => new Response(null, { status: 503 })],
  ["a redirect", () => Response.redirect(`${server.url.href}elsewhere`, 302)],
])(
  "after %s it comes again with the same id, in Svix's eight attempts and waits, until it is taken",
  async (_, refuse) => {
    answer = refuse;
    // 10 h become 72 ms.
    const last = await open({ retryScale: 0.000_002 }).send(event());
    expect(last).toMatchObject({ attempt: 8, willRetry: false });
    expect(new Set(arrivals.map(({ svixId }) => svixId))).toEqual(new Set(["msg_1"]));
    const waits = arrivals.slice(1).map(({ atMs }, n) => atMs - (arrivals[n]?.atMs ?? 0));
    for (const [n, seconds] of [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000].entries()) {
      expect(waits[n]).toBeGreaterThan(seconds * 0.002 - 2);
    }
    arrivals.length = 0;
    answer = (nth) => (nth < 3 ? refuse() : new Response());
    expect(await open({ retryScale: 0 }).send(event())).toMatchObject({ attempt: 3, status: 200 });
  },
);

test("each attempt is signed anew at its own time", async () => {
  answer = (nth) => new Response(null, { status: nth < 2 ? 500 : 200 });
  await open({ retryScale: 0.25 }).send(event());
  expect(arrivals).toHaveLength(2);
  expect(Number(arrivals[1]?.timestamp)).toBeGreaterThan(Number(arrivals[0]?.timestamp));
  expect(arrivals.map(({ verified }) => verified[0])).toEqual([true, true]);
});

test("an endpoint that asks for it is not tried again", async () => {
  answer = () => new Response(null, { status: 422, headers: { "webhook-delivery": "abort-message" } });
  expect(await open({ retryScale: 0 }).send(event())).toMatchObject({ attempt: 1, status: 422 });
  expect(arrivals).toHaveLength(1);
});

test("an attempt without a connection has no status", async () => {
  await server.stop(true);
  expect(await open({ attemptsMax: 1 }).send(event())).toMatchObject({ status: null, said: "" });
});

test("the seed decides who comes twice and in which order, and nothing is lost", async () => {
  const deliver = async (seed: number) => {
    arrivals.length = 0;
    const courier = open({ seed, duplicateShare: 0.3, delayMsMax: 150, concurrency: 200 });
    const sent = Array.from({ length: 60 }, (_, n) => event(n));
    await Promise.all(sent.map((one) => courier.send(one)));
    await courier.idle();
    const ids = arrivals.map(({ svixId }) => svixId);
    expect(new Set(ids)).toEqual(new Set(sent.map(({ svixId }) => svixId)));
    expect(ids).not.toEqual([...new Set(ids)].toSorted());
    return ids.filter((id, place) => ids.indexOf(id) !== place).toSorted();
  };
  const twice = await deliver(11);
  expect(twice.length).toBeGreaterThan(5);
  expect(await deliver(11)).toEqual(twice);
  expect(await deliver(12)).not.toEqual(twice);
});

test("a courier has at most `concurrency` requests in flight", async () => {
  let underway = 0;
  let most = 0;
  answer = async () => {
    most = Math.max(most, ++underway);
    await Bun.sleep(5);
    underway--;
    return new Response();
  };
  const courier = open({ concurrency: 4 });
  await Promise.all(Array.from({ length: 40 }, (_, n) => courier.send(event(n))));
  expect(most).toBe(4);
});

test("after `stop` a courier sends nothing more and drops pending retries", async () => {
  answer = () => new Response(null, { status: 503 });
  const courier = open({ retryScale: 0.02 });
  const sent = courier.send(event()).then(
    () => "delivered",
    () => "dropped",
  );
  while (attempts.length === 0) await Bun.sleep(5);
  await courier.stop();
  expect(await sent).toBe("dropped");
  await Bun.sleep(200);
  expect(arrivals).toHaveLength(1);
});
