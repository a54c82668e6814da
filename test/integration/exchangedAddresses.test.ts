import { expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { permutations } from "../support/permutations.ts";
import { expectEqualToClerk, figuresOf, openRunsTest, type RunsTest } from "../support/runs.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(async () => {
  const opened = await openTestApp();
  await opened.sql`create unique index one_address on users (lower(email))`;
  return opened;
});

let groups = 0;

/** Users who each have an address of their own at first, and what is asked of them. */
async function openGroup(size: number) {
  const tag = `${String.fromCharCode(65 + groups++)}x`;
  const ids = Array.from({ length: size }, (_, n) => `user_${tag}${n}`);
  const at = (n: number) => `${tag}${n}@example.com`;
  /** User `n` has, as of version `version`, the address that user `whose` had at first. */
  const takes = (n: number, whose: number, version = 1) =>
    userEvent(clerkUser(ids[n] ?? "", { email: at(whose), updated_at: startMs + version * 1_000 }));
  for (const n of ids.keys()) await t.deliver(takes(n, n, 0));
  return {
    ids,
    at,
    takes,
    /** Sends each again until all are answered 200, as Svix does. */
    deliverAll: async (events: readonly object[]) => {
      let waiting = events.map((event, place) => ({ event, svixId: `msg_${tag}_${groups}_${place}` }));
      for (let round = 0; round < 4 && waiting.length > 0; round += 1) {
        const refused = [];
        for (const one of waiting) {
          if ((await t.deliver(one.event, one)).status !== 200) refused.push(one);
        }
        waiting = refused;
      }
      return waiting.length;
    },
    addresses: async () => Promise.all(ids.map(async (id) => (await t.findUser(id))?.["email"] as string | null)),
  };
}

test.each([2, 3].flatMap((size) => permutations(size).map((order) => [size, order.join(" ")])))(
  "%i users who pass their addresses on in a circle get them, with the events in the order %s",
  async (size, order) => {
    const group = await openGroup(size);
    const places = order.split(" ").map(Number);
    expect(await group.deliverAll(places.map((n) => group.takes(n, (n + 1) % size)))).toBe(0);
    expect(await group.addresses()).toEqual(group.ids.map((_, n) => group.at((n + 1) % size)));
    for (const id of group.ids) expect(await t.services.users.getUser(id)).toMatchObject({ link: "linked" });
    expect(await t.sql`select from webhook_events where error_code = 'refused'`).toBeEmpty();
  },
);

test("users who exchange addresses at the same moment are applied at once", async () => {
  const group = await openGroup(4);
  const events = [0, 1, 2, 3].map((n) => group.takes(n, (n + 3) % 4));
  const answers = await Promise.all(events.map((event) => t.deliver(event)));
  expect(answers.slice(1).map(({ said }) => said)).toEqual(["applied", "applied", "applied"]);
  await group.deliverAll(events);
  expect(await group.addresses()).toEqual([3, 0, 1, 2].map(group.at));
});

test("an address is not taken from a user whose refused event still lists it, nor by a stale event", async () => {
  const group = await openGroup(4);
  const takes = group.takes(0, 1);
  const addresses = takes.data["email_addresses"] as object[];
  const second = { id: "idn_2", email_address: group.at(0), verification: { status: "verified" } };
  const keeps = { ...takes, data: { ...takes.data, email_addresses: [...addresses, second] } };
  expect((await t.deliver(keeps, { svixId: "msg_keeps" })).said).toBe("refused");
  expect((await t.deliver(group.takes(2, 0), { svixId: "msg_takes" })).said).toBe("refused");
  expect((await t.deliver(group.takes(3, 1, -1))).said).toBe("stale");
  expect(await group.addresses()).toEqual([0, 1, 2, 3].map(group.at));
  for (const id of group.ids) await t.deliver(deletedEvent(id));
});

test("a mentorado whose address becomes free during an exchange goes to the user who waits for it", async () => {
  const group = await openGroup(2);
  const [first = "", second = ""] = group.ids;
  await t.sql`delete from mentorados where email in ${t.sql([group.at(0), group.at(1)])}`;
  await t.sql`insert into mentorados (nome_completo, email, turma) values ('Waits', ${group.at(0)}, 'neon_escala')`;
  await group.deliverAll([group.takes(0, 1), group.takes(1, 0)]);
  expect((await t.services.users.getUser(second)).mentorado?.nomeCompleto).toBe("Waits");
  expect((await t.services.users.getUser(first)).mentorado?.email).toBe(group.at(1));
});

async function openRuns(users: number): Promise<RunsTest> {
  const r = await openRunsTest(users);
  await r.t.sql`create unique index one_address on users (email)`;
  await r.run("backfill");
  return r;
}

const addressOf = (n: number) => `p${String(n).padStart(5, "0")}@example.com`;
const moved = (n: number, whose: number) =>
  pagedUser(n, { email: addressOf(whose), updated_at: startMs + 9_000_000, first_name: "Moved" });

test.each([
  [
    "of one page",
    120,
    [
      [1, 2],
      [2, 1],
      [50, 51],
      [51, 52],
      [52, 50],
    ],
  ],
  [
    "of different pages",
    520,
    [
      [1, 510],
      [510, 1],
      [3, 400],
      [400, 515],
      [515, 3],
    ],
  ],
  [
    "one of them of a user before",
    120,
    [
      [1, 119],
      [2, 1],
      [119, 2],
    ],
  ],
] as const)("one reconcile settles users %s who exchange addresses", async (_, users, moves) => {
  const r = await openRuns(users);
  for (const [n, whose] of moves) r.clerk.users.set(pagedId(n), moved(n, whose));
  const run = await r.run("reconcile");
  expect(figuresOf(run)).toMatchObject({ status: "done", seen: users, applied: moves.length, drift: moves.length });
  await expectEqualToClerk(r);
  for (const [n, whose] of moves) expect((await r.t.findUser(pagedId(n)))?.["email"]).toBe(addressOf(whose));
  expect(figuresOf(await r.run("reconcile"))).toEqual({ status: "done", seen: users, unchanged: users });
});

test("one reconcile gives the address of a deleted user to its new holder, and names the user whose address is still taken", async () => {
  const r = await openRuns(60);
  await r.t.sql`insert into users (clerk_id, email) values ('legacy_1', 'legacy@example.com')`;
  r.clerk.users.delete(pagedId(1));
  r.clerk.users.set(pagedId(2), moved(2, 1));
  r.clerk.users.set(pagedId(3), moved(3, 4));
  r.clerk.users.set(pagedId(4), moved(4, 3));
  r.clerk.users.set(pagedId(5), pagedUser(5, { email: "legacy@example.com", updated_at: startMs + 9_000_000 }));
  const run = await r.run("reconcile");
  expect(figuresOf(run)).toMatchObject({ status: "failed", applied: 3, deleted: 1 });
  expect(run.error).toContain(pagedId(5));
  expect(run.error).not.toContain(pagedId(2));
  const rows = await r.t.sql<{ email: string | null }[]>`select email from users order by clerk_id limit 5 offset 2`;
  expect(rows.map(({ email }) => email)).toEqual([null, addressOf(1), addressOf(4), addressOf(3), addressOf(5)]);
});
