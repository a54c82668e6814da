import { expect, test } from "bun:test";
import { createServer, type Server as NetServer } from "node:net";
import { failureOf, fakeClerk, openApi } from "../support/fakeClerk.ts";
import { createTestClock } from "../support/testClock.ts";
import { waitUntil } from "../support/runs.ts";
import { toClose } from "../support/toClose.ts";

const ada = "user_ada";

test.each([500, 502, 503, 504])("a %d is asked again and may get better", async (status) => {
  const { requests, apiUrl } = fakeClerk((_req, _url, nth) =>
    nth < 3 ? new Response("no", { status }) : Response.json({ id: ada }),
  );
  expect(await openApi(apiUrl).getUser(ada)).toEqual({ id: ada });
  expect(requests).toHaveLength(3);
});

test("retries are limited", async () => {
  const { requests, apiUrl } = fakeClerk(() => new Response("no", { status: 500 }));
  expect((await failureOf(openApi(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
  expect(requests).toHaveLength(4);
});

test("a retry waits for Retry-After", async () => {
  const { requests, apiUrl } = fakeClerk((_req, _url, nth) =>
    nth === 1 ? new Response("", { status: 429, headers: { "retry-after": "20" } }) : Response.json({ id: ada }),
  );
  const clock = createTestClock();
  const call = openApi(apiUrl, { clock }).getUser(ada);
  // The deadline of the call, and the wait.
  await waitUntil(() => Promise.resolve(requests.length === 1 && clock.timers() === 2), 5_000);
  await clock.advance(19_999);
  expect(requests).toHaveLength(1);
  await clock.advance(1);
  expect(await call).toEqual({ id: ada });
});

test("a Retry-After beyond the deadline fails at once instead of being waited for", async () => {
  const { requests, apiUrl } = fakeClerk(() => new Response("", { status: 429, headers: { "retry-after": "90" } }));
  const error = await failureOf(openApi(apiUrl).getUser(ada));
  expect(error).toMatchObject({ code: "too_many_requests", retryAfterSeconds: 90 });
  expect(requests).toHaveLength(1);
});

test("a rate limit that persists is too_many_requests", async () => {
  const { apiUrl } = fakeClerk(() => new Response("", { status: 429, headers: { "retry-after": "0" } }));
  expect((await failureOf(openApi(apiUrl).getUser(ada))).code).toBe("too_many_requests");
});

test("an attempt without an answer is abandoned and retried, and the whole call ends in time", async () => {
  const { requests, apiUrl } = fakeClerk((_req, _url, nth) =>
    nth === 1 ? new Promise<Response>(() => {}) : Response.json({ id: ada }),
  );
  expect(await openApi(apiUrl, { limits: { attemptDeadlineMs: 100 } }).getUser(ada)).toEqual({ id: ada });
  expect(requests).toHaveLength(2);

  const silent = fakeClerk(() => new Promise<Response>(() => {}));
  const startedAtMs = performance.now();
  const error = await failureOf(openApi(silent.apiUrl, { limits: { callDeadlineMs: 200 } }).getUser(ada));
  expect(error.code).toBe("clerk_unavailable");
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});

test("a body that does not end in time fails the call", async () => {
  const { apiUrl } = fakeClerk(
    () => new Response(new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode("{")) })),
  );
  const error = await failureOf(
    openApi(apiUrl, { limits: { attemptDeadlineMs: 50, callDeadlineMs: 300 } }).getUser(ada),
  );
  expect(error.code).toBe("clerk_unavailable");
});

test("a body beyond the limit is not read", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json({ id: ada, bio: "x".repeat(5_000) }));
  expect((await failureOf(openApi(apiUrl, { limits: { bodyBytesMax: 1_000 } }).getUser(ada))).code).toBe(
    "clerk_unavailable",
  );
  expect(requests).toHaveLength(1);
});

test("an API address without a listener is clerk_unavailable", async () => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { origin } = server.url;
  await server.stop(true);
  expect((await failureOf(openApi(origin).getUser(ada))).code).toBe("clerk_unavailable");
});

test("a cut connection is Clerk unavailable", async () => {
  // Bun's fetch re-sends a cut GET by itself, so the number of connections says nothing.
  const server = createServer((socket) => socket.once("data", () => socket.destroy()));
  const apiUrl = await listen(server);
  expect((await failureOf(openApi(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
});

test("an answer cut in the middle is Clerk unavailable", async () => {
  const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
  const server = createServer((socket) => socket.once("data", () => socket.end(`${head}{"id":"${ada}"}`)));
  const apiUrl = await listen(server);
  expect((await failureOf(openApi(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
});

async function listen(server: NetServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  toClose.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

test("an aborted call ends with the reason it was given", async () => {
  const { apiUrl } = fakeClerk(() => new Promise<Response>(() => {}));
  const controller = new AbortController();
  const call = openApi(apiUrl).getUser(ada, { signal: controller.signal });
  const reason = new Error("stopped");
  setTimeout(() => controller.abort(reason), 20);
  expect(await call.catch((error: unknown) => error)).toBe(reason);
  expect(
    await openApi(apiUrl)
      .getUser(ada, { signal: controller.signal })
      .catch((error: unknown) => error),
  ).toBe(reason);
});

const dripping = () =>
  new Response(
    new ReadableStream({
      pull: async (stream) => {
        await Bun.sleep(20);
        stream.enqueue(new TextEncoder().encode(" "));
      },
    }),
  );

test.each<[string, () => Response | Promise<Response>]>([
  ["silent", () => new Promise<Response>(() => {})],
  ["dripping a byte at a time", dripping],
  ["failing each time", () => new Response("no", { status: 503, headers: { "retry-after": "0" } })],
])("a caller's own deadline ends the call to a Clerk that is %s", async (_, answer) => {
  const { apiUrl } = fakeClerk(answer);
  const startedAtMs = performance.now();
  const error = await failureOf(openApi(apiUrl).getUser(ada, { deadlineMs: 150 }));
  expect(error.code).toBe("clerk_unavailable");
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});

test("a Retry-After beyond the caller's own deadline is said at once", async () => {
  const { requests, apiUrl } = fakeClerk(() => new Response("", { status: 429, headers: { "retry-after": "12" } }));
  const error = await failureOf(openApi(apiUrl).getUser(ada, { deadlineMs: 8_000 }));
  expect(error).toMatchObject({ code: "too_many_requests", retryAfterSeconds: 12 });
  expect(requests).toHaveLength(1);
});
