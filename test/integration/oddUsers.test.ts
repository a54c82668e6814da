import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createInstanceCheck } from "../../src/service/instanceCheck.ts";
import { createRunsService } from "../../src/service/runs/runsService.ts";
import { createUserWriter } from "../../src/store/users/userWriter.ts";
import { fakeClerk, openApi } from "../support/fakeClerk.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { openTestApp } from "../support/testApp.ts";
import { toClose } from "../support/toClose.ts";

const bodyBytesMax = 100_000;

/** A Clerk over HTTP whose list has these elements in this order, and a run of each kind against it. */
async function openOddTest(elements: readonly unknown[]) {
  const idOf = (element: unknown) => (element as { id?: unknown } | null)?.id;
  const { requests, apiUrl } = fakeClerk((_req, { pathname, searchParams }) => {
    if (pathname === "/v1/users/count") return Response.json({ object: "total_count", total_count: elements.length });
    if (pathname === "/v1/instance") return new Response("", { status: 404 });
    const one = elements.find((element) => pathname === `/v1/users/${String(idOf(element))}`);
    if (one !== undefined) return Response.json(one);
    const ids = searchParams.getAll("user_id");
    if (ids.length > 0) return Response.json(elements.filter((element) => ids.includes(String(idOf(element)))));
    const sorted = searchParams.get("order_by") === "+created_at" ? elements : elements.toReversed();
    const after = sorted.findIndex((element) => idOf(element) === (searchParams.get("starting_after") ?? Number.NaN));
    const from = after + 1 + Number(searchParams.get("offset") ?? 0);
    return Response.json(sorted.slice(from, from + Number(searchParams.get("limit"))));
  });
  const clerk = openApi(apiUrl, { secretKey: "sk_live_hidden", limits: { bodyBytesMax } });
  const t = await openTestApp({ clerk });
  toClose.push(t.close);
  const { database } = t;
  const runs = createRunsService({
    database,
    clerk,
    instanceCheck: createInstanceCheck({ database }),
    writer: createUserWriter({ database, defaultTurma: "neon_estrutura" }),
    log: silentLog,
    clerkRetryMs: 1,
  });
  toClose.unshift(() => runs.close());
  const run = async (kind: "backfill" | "reconcile", isScheduled = false) => {
    if (isScheduled) await runs.startScheduled({ everyMs: 3_600_000, firstDueInMs: 0 });
    else await runs.start({ kind });
    const [newest] = await runs.list({ limit: 1 });
    await runs.waitFor(newest?.runId ?? "");
    return runs.get(newest?.runId ?? "");
  };
  const countUsers = async () => (await t.sql`select clerk_id from users where deleted_at is null`).length;
  return { t, requests, run, countUsers };
}

const users = Array.from({ length: 1_100 }, (_, n) => pagedUser(n));
const odd = [
  { id: 7 },
  null,
  { id: null },
  "user_x",
  { id: "user_gone", object: "user", deleted: true },
  { id: "org_1" },
];
/** At the ends, in the middle, and at the border of two pages. */
const withOdd = [
  odd[0],
  ...users.slice(0, 499),
  odd[1],
  odd[2],
  ...users.slice(499, 800),
  odd[3],
  ...users.slice(800),
  ...odd.slice(4),
];

test.each(["backfill", "reconcile", "scheduled"] as const)(
  "a %s leaves out elements of the list that are no users, says which, and is done with all others",
  async (kind) => {
    const r = await openOddTest(withOdd);
    const run = kind === "backfill" ? await r.run("backfill") : await r.run("reconcile", kind === "scheduled");
    expect(run).toMatchObject({ status: "done", seen: 1_100, applied: 1_100 });
    for (const shown of ["6 elements", "7", "null", "an object without an id", "type string", '"user_gone"', '"org_1"'])
      expect(run.error).toContain(shown);
    expect(await r.countUsers()).toBe(1_100);
    // What changed since: two hours later the scheduled one is not a full one.
    await r.t.sql`update sync_runs set started_at = started_at - interval '2 hours'`;
    expect(await r.run("reconcile", true)).toMatchObject({ status: "done", deleted: 0 });
  },
  30_000,
);

test("a page above the limit of an answer is asked for again in smaller ones", async () => {
  const large = Array.from({ length: 40 }, (_, n) => pagedUser(n, { public_metadata: { bio: "x".repeat(9_000) } }));
  const r = await openOddTest(large);
  expect(await r.run("backfill")).toMatchObject({ status: "done", seen: 40, applied: 40, error: null });
  expect(await r.run("reconcile")).toMatchObject({ status: "done", seen: 40, deleted: 0, error: null });
});

test("the one user who is too large to be read is left out and named, and the others are written", async () => {
  const some = Array.from({ length: 30 }, (_, n) => pagedUser(n));
  some[11] = pagedUser(11, { public_metadata: { bio: "x".repeat(bodyBytesMax) } });
  const r = await openOddTest(some);
  const run = await r.run("backfill");
  expect(run).toMatchObject({ status: "done", seen: 29, applied: 29 });
  expect(run.error).toContain(`1 element of Clerk's lists could not be read as a user: ${pagedId(11)} (too large)`);
  expect(await r.countUsers()).toBe(29);
}, 20_000);
