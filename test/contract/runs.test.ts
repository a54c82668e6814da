import { describe, expect, test } from "bun:test";
import { failureOf } from "../support/fakeClerk.ts";
import { figuresOf, holdPages, openRunsTest, waitUntil } from "../support/runs.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForTest } from "../support/toClose.ts";

describe("a run, as a client sees it:", () => {
  test("is started, shown with every figure, and listed newest first by page", async () => {
    const r = await openRunsTest(3);
    const client = connectTo(r.t, testAdminToken);
    expect(await client.runs.list.query()).toEqual({ items: [], nextCursor: null });
    expect(await client.sync.status.query()).toMatchObject({ lastRun: null, drift: null });
    const { runId } = await client.runs.start.mutate({ kind: "backfill" });
    await waitUntil(async () => (await client.runs.get.query({ runId })).status !== "running", 5_000);
    const run = await client.runs.get.query({ runId });
    expect(run).toEqual({
      runId,
      kind: "backfill",
      status: "done",
      dryRun: false,
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      finishedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      seen: 3,
      applied: 3,
      unchanged: 0,
      stale: 0,
      deleted: 0,
      drift: 0,
      driftByKind: { missing: 0, stale: 0, deleted: 0 },
      error: null,
    });
    const second = await client.runs.start.mutate({ kind: "reconcile", dryRun: true });
    await waitUntil(async () => (await client.runs.get.query(second)).status === "done", 5_000);
    expect(await client.runs.get.query(second)).toMatchObject({ kind: "reconcile", dryRun: true, drift: 0 });
    const first = await client.runs.list.query({ limit: 1 });
    expect(first.items.map((item) => item.runId)).toEqual([second.runId]);
    const rest = await client.runs.list.query({ limit: 1, cursor: first.nextCursor ?? "" });
    expect(rest).toEqual({ items: [run], nextCursor: null });
    expect(await client.sync.status.query()).toMatchObject({ lastRun: { runId: second.runId }, drift: 0 });
  });

  test("an unknown one is NOT_FOUND, an unknown kind BAD_REQUEST", async () => {
    const r = await openRunsTest(0);
    const client = connectTo(r.t, testAdminToken);
    for (const runId of [crypto.randomUUID(), "nope"]) {
      expect(await codeOf(client.runs.get.query({ runId }))).toBe("NOT_FOUND");
      expect(await codeOf(client.runs.cancel.mutate({ runId }))).toBe("NOT_FOUND");
    }
    expect(await codeOf(client.runs.start.mutate({ kind: "resync" as "backfill" }))).toBe("BAD_REQUEST");
    expect(await codeOf(client.runs.list.query({ limit: 101 }))).toBe("BAD_REQUEST");
  });

  test("a second one of its kind is CONFLICT in any process; one of the other kind may run", async () => {
    const r = await openRunsTest(600);
    const held = holdPages(r);
    const client = connectTo(r.t, testAdminToken);
    const { runId } = await client.runs.start.mutate({ kind: "backfill" });
    await held.reached;
    expect(await codeOf(client.runs.start.mutate({ kind: "backfill" }))).toBe("CONFLICT");
    expect(await codeOf(client.runs.start.mutate({ kind: "backfill", dryRun: true }))).toBe("CONFLICT");
    expect((await failureOf(r.otherProcess().start({ kind: "backfill" }))).code).toBe("conflict");
    await client.runs.start.mutate({ kind: "reconcile", dryRun: true });
    held.letGo();
    await waitUntil(async () => (await client.runs.get.query({ runId })).status === "done", 5_000);
    expect(await codeOf(client.runs.start.mutate({ kind: "backfill" }))).toBe("no error");
  });

  test("of many starts at once exactly one succeeds", async () => {
    const r = await openRunsTest(600);
    const held = holdPages(r);
    const starts = Array.from({ length: 8 }, () => r.otherProcess().start({ kind: "reconcile" }));
    const settled = await Promise.allSettled(starts);
    expect(settled.filter((one) => one.status === "fulfilled").length).toBe(1);
    held.letGo();
  });

  test("without CLERK_SECRET_KEY a start is PRECONDITION_FAILED and names it, and no run is kept", async () => {
    const t = await openForTest(openTestApp({ clerk: null }));
    const client = connectTo(t, testAdminToken);
    const call = client.runs.start.mutate({ kind: "reconcile" });
    expect(await codeOf(call)).toBe("PRECONDITION_FAILED");
    expect(await call.catch(String)).toContain("CLERK_SECRET_KEY");
    expect((await client.runs.list.query()).items).toEqual([]);
  });
});

describe("a run that is cancelled", () => {
  test("stops, also while Clerk does not answer, and says so in its answer", async () => {
    const r = await openRunsTest(1_200);
    const held = holdPages(r);
    const client = connectTo(r.t, testAdminToken);
    const { runId } = await client.runs.start.mutate({ kind: "reconcile" });
    await held.reached;
    r.clerk.api.listUsers = () => Promise.reject(new Error("asked after the cancel"));
    held.letGo();
    const run = await client.runs.cancel.mutate({ runId });
    expect(run).toMatchObject({ runId, status: "cancelled", error: null });
    expect(run.finishedAt).not.toBeNull();
    // A cancel that comes again changes nothing.
    expect(await client.runs.cancel.mutate({ runId })).toEqual(run);
  });

  test("stops within a few seconds in another process, and can be started again at once", async () => {
    const r = await openRunsTest(1_200);
    const held = holdPages(r);
    const { runId } = await r.runs.start({ kind: "backfill" });
    await held.reached;
    const other = r.otherProcess();
    await waitUntil(async () => (await other.get(runId)).seen === 500, 5_000);
    await other.cancel(runId);
    const gate = waitUntil(async () => (await other.get(runId)).status === "cancelled", 5_000);
    await Bun.sleep(100);
    held.letGo();
    await gate;
    r.clerk.onList = () => undefined;
    const again = await other.start({ kind: "backfill" });
    await other.waitFor(again.runId);
    // A backfill goes on where it was.
    expect(figuresOf(await other.get(again.runId))).toEqual({ status: "done", seen: 1_200, applied: 1_200 });
    expect(r.clerk.asked.filter((what) => what === "list +created_at").length).toBe(1);
  });

  test("a reconcile that is started again compares every user from the beginning", async () => {
    const r = await openRunsTest(1_200);
    const held = holdPages(r);
    const { runId } = await r.runs.start({ kind: "reconcile" });
    await held.reached;
    await waitUntil(async () => (await r.runs.get(runId)).seen === 500, 5_000);
    expect((await r.runs.cancel(runId)).status).toBe("cancelled");
    held.letGo();
    r.clerk.onList = () => undefined;
    expect(figuresOf(await r.run("reconcile"))).toMatchObject({ status: "done", seen: 1_200, drift: 700 });
  });
});
