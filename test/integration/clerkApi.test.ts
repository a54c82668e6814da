import { afterEach, expect, test } from "bun:test";
import { createServer, type Server as NetServer } from "node:net";
import { createClerkApi, type ClerkApiOptions } from "../../src/clerk/createClerkApi.ts";
import { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";

const ada = "user_ada";
const secretKey = "sk_test_hidden";
type Handler = (req: Request, url: URL, nth: number) => Response | Promise<Response>;

const toClose: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
});

/** A Clerk that answers what it is told, and keeps what it was asked. */
function fakeClerk(handler: Handler) {
  const requests: { url: URL; headers: Headers }[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (req) => {
      const url = new URL(req.url);
      requests.push({ url, headers: req.headers });
      return handler(req, url, requests.length);
    },
  });
  toClose.push(() => server.stop(true));
  return { requests, apiUrl: server.url.origin };
}

function open(apiUrl: string, options: Partial<ClerkApiOptions> = {}) {
  return createClerkApi({ secretKey, apiUrl, log: silentLog, ...options, limits: { firstBackoffMs: 1, ...options.limits } });
}

async function failureOf(work: Promise<unknown>): Promise<AppError> {
  const error: unknown = await work.then(
    () => new Error("it succeeded"),
    (cause: unknown) => cause,
  );
  if (!(error instanceof AppError)) throw error;
  expect(error.message).not.toContain("hidden");
  return error;
}

const clerkError = (status: number, code: string) => Response.json({ errors: [{ code, message: "m" }] }, { status });

test("a user comes as Clerk sent it, asked for with key, API version and name of the program", async () => {
  const user = { id: ada, first_name: null, private_metadata: { a: 1 } };
  const { requests, apiUrl } = fakeClerk(() => Response.json(user));
  expect(await open(apiUrl).getUser(ada)).toEqual(user);
  expect(requests).toHaveLength(1);
  expect(requests[0]?.url.pathname).toBe(`/v1/users/${ada}`);
  expect(Object.fromEntries(requests[0]?.headers ?? [])).toMatchObject({
    authorization: `Bearer ${secretKey}`,
    "clerk-api-version": "2026-05-12",
    "user-agent": "clerk-neon-sync",
  });
});

test("the API version asked for is the one of the installed SDK", async () => {
  const sdk = await Bun.file(new URL("../../node_modules/@clerk/backend/dist/index.js", import.meta.url)).text();
  expect(sdk).toContain('SUPPORTED_BAPI_VERSION = "2026-05-12"');
});

test("only Clerk's own 404 means that a user is gone", async () => {
  const { requests, apiUrl } = fakeClerk(() => clerkError(404, "resource_not_found"));
  expect(await open(apiUrl).getUser(ada)).toBeNull();
  expect(requests).toHaveLength(1);
});

const html = () => new Response("<html>hello</html>", { headers: { "content-type": "text/html" } });

test.each<[string, Handler]>([
  ["a 404 of a proxy", () => new Response("<html>404</html>", { status: 404 })],
  ["a 404 with another error", () => clerkError(404, "instance_not_found")],
  ["a 404 without a body", () => new Response(null, { status: 404 })],
  ["HTML with status 200", html],
  ["another user", () => Response.json({ id: "user_eve" })],
  ["an array", () => Response.json([{ id: ada }])],
  ["null", () => Response.json(null)],
  ["a text cut short", () => new Response(`{"id":"${ada}","first_name":"A`)],
  ["an empty body", () => new Response("")],
  ["a 204", () => new Response(null, { status: 204 })],
  ["a redirect", (_, url) => Response.redirect(`${url.origin}/elsewhere`, 302)],
  ["a 400", () => clerkError(400, "bad")],
  ["a 410", () => clerkError(410, "resource_not_found")],
])("%s is Clerk unavailable, not a deleted user", async (_, handler) => {
  const { requests, apiUrl } = fakeClerk(handler);
  expect((await failureOf(open(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
  expect(requests).toHaveLength(1);
});

test.each([401, 403])("a %d names the variable at fault and is not asked again", async (status) => {
  const { requests, apiUrl } = fakeClerk(() => clerkError(status, "clerk_key_invalid"));
  const error = await failureOf(open(apiUrl).getUser(ada));
  expect(error.code).toBe("clerk_unavailable");
  expect(error.message).toContain("CLERK_SECRET_KEY");
  expect(requests).toHaveLength(1);
});

test("without a secret key every call says which variable is missing, and none is made", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json({}));
  const clerk = open(apiUrl, { secretKey: undefined });
  const calls = [clerk.getUser(ada), clerk.listUsers({ limit: 1, orderBy: "+created_at" }), clerk.findUsers([ada]), clerk.countUsers()];
  for (const call of calls) {
    const error = await failureOf(call);
    expect(error.code).toBe("precondition_failed");
    expect(error.message).toContain("CLERK_SECRET_KEY");
  }
  expect(requests).toHaveLength(0);
});

test.each(["user_x?y=1", "user_x/../y", "user_", "USER_x", "", `user_${"a".repeat(61)}`, "user_x\n"])(
  "the id %j never reaches the network",
  async (clerkId) => {
    const { requests, apiUrl } = fakeClerk(() => Response.json({ id: clerkId }));
    expect((await failureOf(open(apiUrl).getUser(clerkId))).code).toBe("bad_request");
    expect((await failureOf(open(apiUrl).findUsers([ada, clerkId]))).code).toBe("bad_request");
    expect(requests).toHaveLength(0);
  },
);

test.each([500, 502, 503, 504])("a %d is asked again and may get better", async (status) => {
  const { requests, apiUrl } = fakeClerk((_req, _url, nth) => (nth < 3 ? new Response("no", { status }) : Response.json({ id: ada })));
  expect(await open(apiUrl).getUser(ada)).toEqual({ id: ada });
  expect(requests).toHaveLength(3);
});

test("retries end", async () => {
  const { requests, apiUrl } = fakeClerk(() => new Response("no", { status: 500 }));
  expect((await failureOf(open(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
  expect(requests).toHaveLength(4);
});

test("Retry-After is waited for", async () => {
  const { apiUrl } = fakeClerk((_req, _url, nth) =>
    nth === 1 ? new Response("", { status: 429, headers: { "retry-after": "1" } }) : Response.json({ id: ada }),
  );
  const startedAtMs = performance.now();
  await open(apiUrl).getUser(ada);
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(990);
});

test("a Retry-After beyond the deadline is said at once instead of waited for", async () => {
  const { requests, apiUrl } = fakeClerk(() => new Response("", { status: 429, headers: { "retry-after": "90" } }));
  const error = await failureOf(open(apiUrl).getUser(ada));
  expect(error).toMatchObject({ code: "too_many_requests", retryAfterSeconds: 90 });
  expect(requests).toHaveLength(1);
});

test("a limit that stays reached is too many requests", async () => {
  const { apiUrl } = fakeClerk(() => new Response("", { status: 429, headers: { "retry-after": "0" } }));
  expect((await failureOf(open(apiUrl).getUser(ada))).code).toBe("too_many_requests");
});

test("a silent attempt is given up and asked again, and the whole call ends in time", async () => {
  const { requests, apiUrl } = fakeClerk((_req, _url, nth) => (nth === 1 ? new Promise<Response>(() => {}) : Response.json({ id: ada })));
  expect(await open(apiUrl, { limits: { attemptDeadlineMs: 100 } }).getUser(ada)).toEqual({ id: ada });
  expect(requests).toHaveLength(2);

  const silent = fakeClerk(() => new Promise<Response>(() => {}));
  const startedAtMs = performance.now();
  const error = await failureOf(open(silent.apiUrl, { limits: { callDeadlineMs: 200 } }).getUser(ada));
  expect(error.code).toBe("clerk_unavailable");
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});

test("a body that never ends in time is not waited for", async () => {
  const { apiUrl } = fakeClerk(() => new Response(new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode("{")) })));
  const error = await failureOf(open(apiUrl, { limits: { attemptDeadlineMs: 50, callDeadlineMs: 300 } }).getUser(ada));
  expect(error.code).toBe("clerk_unavailable");
});

test("a body beyond the limit is not read", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json({ id: ada, bio: "x".repeat(5_000) }));
  expect((await failureOf(open(apiUrl, { limits: { bodyBytesMax: 1_000 } }).getUser(ada))).code).toBe("clerk_unavailable");
  expect(requests).toHaveLength(1);
});

test("nobody listening is Clerk unavailable", async () => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { origin } = server.url;
  await server.stop(true);
  expect((await failureOf(open(origin).getUser(ada))).code).toBe("clerk_unavailable");
});

test("a cut connection is Clerk unavailable", async () => {
  // Bun's fetch re-sends a cut GET by itself, so the number of connections says nothing.
  const server = createServer((socket) => socket.once("data", () => socket.destroy()));
  const apiUrl = await listen(server);
  expect((await failureOf(open(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
});

test("an answer cut in the middle is Clerk unavailable", async () => {
  const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
  const server = createServer((socket) => socket.once("data", () => socket.end(`${head}{"id":"${ada}"}`)));
  const apiUrl = await listen(server);
  expect((await failureOf(open(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
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
  const call = open(apiUrl).getUser(ada, controller.signal);
  const reason = new Error("stopped");
  setTimeout(() => controller.abort(reason), 20);
  expect(await call.catch((error: unknown) => error)).toBe(reason);
  expect(await open(apiUrl).getUser(ada, controller.signal).catch((error: unknown) => error)).toBe(reason);
});

test("a page is asked for by cursor, order and time, in one request", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json([{ id: ada }]));
  const clerk = open(apiUrl);
  const query = { limit: 500, orderBy: "+created_at", startingAfter: "user_b", createdAtAfterMs: 1_700_000_000_000 } as const;
  expect(await clerk.listUsers(query)).toEqual([{ id: ada }]);
  await clerk.listUsers({ limit: 1, orderBy: "-updated_at", offset: 7 });
  expect(requests).toHaveLength(2);
  expect(Object.fromEntries(requests[0]?.url.searchParams ?? [])).toEqual({
    limit: "500",
    order_by: "+created_at",
    starting_after: "user_b",
    created_at_after: "1700000000000",
  });
  expect(Object.fromEntries(requests[1]?.url.searchParams ?? [])).toEqual({ limit: "1", order_by: "-updated_at", offset: "7" });
});

test.each([
  ["an object", { data: [] }],
  ["more than asked for", [{ id: "user_a" }, { id: "user_b" }, { id: "user_c" }]],
  ["an element without id", [{ id: "user_a" }, {}]],
  ["an element that is no object", ["user_a"]],
  ["an id that is none", [{ id: "org_a" }]],
])("a page that is %s is Clerk unavailable", async (_, body) => {
  const { apiUrl } = fakeClerk(() => Response.json(body));
  expect((await failureOf(open(apiUrl).listUsers({ limit: 2, orderBy: "+created_at" }))).code).toBe("clerk_unavailable");
});

test.each([400, 404, 422])("a %d of Clerk's to a cursor says that its user is gone; to anything else it is trouble", async (status) => {
  const { apiUrl } = fakeClerk(() => clerkError(status, "resource_not_found"));
  const page = { limit: 2, orderBy: "+created_at" } as const;
  expect((await failureOf(open(apiUrl).listUsers({ ...page, startingAfter: ada }))).code).toBe("not_found");
  expect((await failureOf(open(apiUrl).listUsers(page))).code).toBe("clerk_unavailable");
  const proxy = fakeClerk(() => new Response("<html>", { status }));
  expect((await failureOf(open(proxy.apiUrl).listUsers({ ...page, startingAfter: ada }))).code).toBe("clerk_unavailable");
});

test("users are found by id, those that do not exist are absent", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json([{ id: ada }]));
  expect(await open(apiUrl).findUsers([ada, "user_gone", ada])).toEqual([{ id: ada }]);
  expect(requests[0]?.url.searchParams.getAll("user_id")).toEqual([ada, "user_gone"]);
  expect(requests[0]?.url.searchParams.get("limit")).toBe("100");
  expect(await open(apiUrl).findUsers([])).toEqual([]);
  expect(requests).toHaveLength(1);
});

test("users nobody asked for mean that the filter was ignored, not that the others are gone", async () => {
  const { apiUrl } = fakeClerk(() => Response.json([{ id: "user_eve" }]));
  expect((await failureOf(open(apiUrl).findUsers([ada]))).code).toBe("clerk_unavailable");
});

test("more ids or users than Clerk takes are refused before the call", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json([]));
  const ids = Array.from({ length: 101 }, (_, n) => `user_${n}`);
  expect((await failureOf(open(apiUrl).findUsers(ids))).code).toBe("bad_request");
  expect((await failureOf(open(apiUrl).listUsers({ limit: 501, orderBy: "+created_at" }))).code).toBe("bad_request");
  expect(requests).toHaveLength(0);
});

test("the count is a count or Clerk is unavailable", async () => {
  const good = fakeClerk(() => Response.json({ object: "total_count", total_count: 12 }));
  expect(await open(good.apiUrl).countUsers()).toBe(12);
  expect(good.requests[0]?.url.pathname).toBe("/v1/users/count");
  for (const body of [{ total_count: -1 }, { total_count: "12" }, {}, 12]) {
    const { apiUrl } = fakeClerk(() => Response.json(body));
    expect((await failureOf(open(apiUrl).countUsers())).code).toBe("clerk_unavailable");
  }
});

test("a development key is held to its rate, a production key is not slowed by 60 calls", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json({ id: ada }));
  const ask = (clerk: ReturnType<typeof open>, signal?: AbortSignal) =>
    Promise.all(Array.from({ length: 60 }, () => clerk.getUser(ada, signal)));
  await ask(open(apiUrl, { secretKey: "sk_live_hidden" }));
  expect(requests).toHaveLength(60);
  await ask(open(apiUrl), AbortSignal.timeout(500)).catch(() => "aborted, as it should be");
  // A full bucket of 20, and 8 a second.
  expect(requests.length - 60).toBeWithin(20, 30);
});
