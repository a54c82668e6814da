import { expect, test } from "bun:test";
import { clerkError, failureOf, fakeClerk, openApi, secretKey, type Handler } from "../support/fakeClerk.ts";

const ada = "user_ada";

test("a user comes as Clerk sent it, asked for with key, API version and name of the program", async () => {
  const user = { id: ada, first_name: null, private_metadata: { a: 1 } };
  const { requests, apiUrl } = fakeClerk(() => Response.json(user));
  expect(await openApi(apiUrl).getUser(ada)).toEqual(user);
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
  expect(await openApi(apiUrl).getUser(ada)).toBeNull();
  expect(requests).toHaveLength(1);
});

const html = () => new Response("<html>hello</html>", { headers: { "content-type": "text/html" } });

test.each<[string, Handler]>([
  ["a 404 of a proxy", () => new Response("<html>404</html>", { status: 404 })],
  ["a 404 with another error", () => clerkError(404, "instance_not_found")],
  ["a 404 without a body", () => new Response(null, { status: 404 })],
  ["HTML with status 200", html],
  ["another user", () => Response.json({ id: "user_eve" })],
  ["the record of a deletion", () => Response.json({ id: ada, object: "user", deleted: true })],
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
  expect((await failureOf(openApi(apiUrl).getUser(ada))).code).toBe("clerk_unavailable");
  expect(requests).toHaveLength(1);
});

test.each([401, 403])("a %d names the variable at fault and is not asked again", async (status) => {
  const { requests, apiUrl } = fakeClerk(() => clerkError(status, "clerk_key_invalid"));
  const error = await failureOf(openApi(apiUrl).getUser(ada));
  expect(error.code).toBe("clerk_unavailable");
  expect(error.message).toContain("CLERK_SECRET_KEY");
  expect(requests).toHaveLength(1);
});

test.each(["user_x?y=1", "user_x/../y", "user_", "USER_x", "", `user_${"a".repeat(61)}`, "user_x\n"])(
  "the id %j never reaches the network",
  async (clerkId) => {
    const { requests, apiUrl } = fakeClerk(() => Response.json({ id: clerkId }));
    expect((await failureOf(openApi(apiUrl).getUser(clerkId))).code).toBe("bad_request");
    expect((await failureOf(openApi(apiUrl).findUsers([ada, clerkId]))).code).toBe("bad_request");
    expect(requests).toHaveLength(0);
  },
);

test("a page is asked for by cursor, order and time, in one request", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json([{ id: ada }]));
  const clerk = openApi(apiUrl);
  const query = {
    limit: 500,
    orderBy: "+created_at",
    startingAfter: "user_b",
    createdAtAfterMs: 1_700_000_000_000,
  } as const;
  expect(await clerk.listUsers(query)).toEqual([{ id: ada }]);
  await clerk.listUsers({ limit: 1, orderBy: "-updated_at", offset: 7 });
  expect(requests).toHaveLength(2);
  expect(Object.fromEntries(requests[0]?.url.searchParams ?? [])).toEqual({
    limit: "500",
    order_by: "+created_at",
    starting_after: "user_b",
    created_at_after: "1700000000000",
  });
  expect(Object.fromEntries(requests[1]?.url.searchParams ?? [])).toEqual({
    limit: "1",
    order_by: "-updated_at",
    offset: "7",
  });
});

test.each([
  ["an object", { data: [] }],
  ["more than asked for", [{ id: "user_a" }, { id: "user_b" }, { id: "user_c" }]],
])("a page that is %s is Clerk unavailable", async (_, body) => {
  const { apiUrl } = fakeClerk(() => Response.json(body));
  expect((await failureOf(openApi(apiUrl).listUsers({ limit: 2, orderBy: "+created_at" }))).code).toBe(
    "clerk_unavailable",
  );
});

test.each<[unknown, string]>([
  [{}, "an object without an id"],
  ["user_a", "an element of the type string"],
  [null, "null"],
  [[{ id: "user_b" }], "an element of the type object"],
  [{ id: "org_a" }, '"org_a"'],
  [{ id: 7 }, "7"],
  [{ id: null, first_name: "hidden" }, "an object without an id"],
])("the element %j of a page is left out as %j, and the others are read", async (element, shown) => {
  const { apiUrl } = fakeClerk(() => Response.json([{ id: "user_a" }, element, { id: "user_c" }]));
  expect(await openApi(apiUrl).listUsers({ limit: 3, orderBy: "+created_at" })).toEqual([
    { id: "user_a" },
    { id: null, shown },
    { id: "user_c" },
  ]);
});

test.each([400, 404, 422])(
  "a %d of Clerk's to a cursor says that its user is gone; to anything else it is trouble",
  async (status) => {
    const { apiUrl } = fakeClerk(() => clerkError(status, "resource_not_found"));
    const page = { limit: 2, orderBy: "+created_at" } as const;
    expect((await failureOf(openApi(apiUrl).listUsers({ ...page, startingAfter: ada }))).code).toBe("not_found");
    expect((await failureOf(openApi(apiUrl).listUsers(page))).code).toBe("clerk_unavailable");
    const proxy = fakeClerk(() => new Response("<html>", { status }));
    expect((await failureOf(openApi(proxy.apiUrl).listUsers({ ...page, startingAfter: ada }))).code).toBe(
      "clerk_unavailable",
    );
  },
);

test("users are found by id, those that do not exist are absent", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json([{ id: ada }]));
  expect(await openApi(apiUrl).findUsers([ada, "user_gone", ada])).toEqual([{ id: ada }]);
  expect(requests[0]?.url.searchParams.getAll("user_id")).toEqual([ada, "user_gone"]);
  expect(requests[0]?.url.searchParams.get("limit")).toBe("100");
  expect(await openApi(apiUrl).findUsers([])).toEqual([]);
  expect(requests).toHaveLength(1);
});

test("users that were not asked for mean that the filter was ignored, not that the others are gone", async () => {
  const { apiUrl } = fakeClerk(() => Response.json([{ id: "user_eve" }]));
  expect((await failureOf(openApi(apiUrl).findUsers([ada]))).code).toBe("clerk_unavailable");
});

test("more ids or users than Clerk takes are rejected before the call", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json([]));
  const ids = Array.from({ length: 101 }, (_, n) => `user_${n}`);
  expect((await failureOf(openApi(apiUrl).findUsers(ids))).code).toBe("bad_request");
  expect((await failureOf(openApi(apiUrl).listUsers({ limit: 501, orderBy: "+created_at" }))).code).toBe("bad_request");
  expect(requests).toHaveLength(0);
});

test("countUsers returns Clerk's count; an answer without a valid count is clerk_unavailable", async () => {
  const good = fakeClerk(() => Response.json({ object: "total_count", total_count: 12 }));
  expect(await openApi(good.apiUrl).countUsers()).toBe(12);
  expect(good.requests[0]?.url.pathname).toBe("/v1/users/count");
  for (const body of [{ total_count: -1 }, { total_count: "12" }, {}, 12]) {
    const { apiUrl } = fakeClerk(() => Response.json(body));
    expect((await failureOf(openApi(apiUrl).countUsers())).code).toBe("clerk_unavailable");
  }
});

test("findInstanceId returns the instance that Clerk names, or null if Clerk names none", async () => {
  const good = fakeClerk(() => Response.json({ object: "instance", id: "ins_2abC", environment_type: "production" }));
  expect(await openApi(good.apiUrl).findInstanceId?.()).toBe("ins_2abC");
  expect(good.requests[0]?.url.pathname).toBe("/v1/instance");
  const unnamed: Handler[] = [
    () => clerkError(404, "resource_not_found"),
    html,
    () => Response.json([]),
    () => Response.json({ object: "instance" }),
    () => Response.json({ id: "user_ada" }),
    () => Response.json({ id: 7 }),
  ];
  for (const handler of unnamed) expect(await openApi(fakeClerk(handler).apiUrl).findInstanceId?.()).toBeNull();
  for (const status of [401, 500]) {
    const { apiUrl } = fakeClerk(() => new Response("", { status }));
    expect((await failureOf(openApi(apiUrl).findInstanceId?.() ?? Promise.resolve())).code).toBe("clerk_unavailable");
  }
});

test("a development key is held to its rate, a production key is not slowed by 60 calls", async () => {
  const { requests, apiUrl } = fakeClerk(() => Response.json({ id: ada }));
  const ask = (clerk: ReturnType<typeof openApi>, signal?: AbortSignal) =>
    Promise.all(Array.from({ length: 60 }, () => clerk.getUser(ada, { signal })));
  await ask(openApi(apiUrl, { secretKey: "sk_live_hidden" }));
  expect(requests).toHaveLength(60);
  await ask(openApi(apiUrl), AbortSignal.timeout(500)).catch(() => "aborted, as it should be");
  // 16 in 2 s, so that no 10 s have more than Clerk's 100.
  expect(requests.length - 60).toBe(16);
});
