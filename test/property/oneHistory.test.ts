import { expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { permutations } from "../support/permutations.ts";
import { readUsers } from "../support/tables.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

// No model here: one history, brought in every order and in many batchings, and only the ends compared.
const t = openForFile(() => openTestApp());

const ana = (changes: Record<string, unknown>) => clerkUser("user_Ana", { email: "ana@example.com", ...changes });
const told = {
  msg_signsUp: userEvent(ana({})),
  msg_changes: userEvent(ana({ updated_at: startMs + 10, first_name: "B", public_metadata: { role: "admin" } })),
  msg_tie: userEvent(ana({ updated_at: startMs + 10, first_name: "C", email: "ANA@example.com" })),
  msg_otherSignsUp: userEvent(clerkUser("user_Leaves")),
  msg_otherLeaves: deletedEvent("user_Leaves"),
};
const svixIds = Object.keys(told) as (keyof typeof told)[];

/** Each group is sent at once, one group after the other; twice each, for repetition must not matter either. */
async function endOf(groups: readonly (readonly (keyof typeof told)[])[]): Promise<string> {
  await t.sql.unsafe("delete from mentorados; delete from users; delete from webhook_events");
  for (const group of groups) {
    const sent = [...group, ...group].map((svixId) => t.deliver(told[svixId], { svixId }));
    for (const answer of await Promise.all(sent)) expect(answer.status).toBe(200);
  }
  const users = await readUsers(t);
  const ledger = await t.sql`select svix_id, attempts, payload is null as erased from webhook_events order by svix_id`;
  // Whether the one who left had a mentorado made may differ, and does.
  const owners = await t.sql`
    select u.clerk_id, lower(m.email) as email, m.user_id is null as free from mentorados m
      left join users u on u.id = m.user_id
    where lower(m.email) = 'ana@example.com' or m.user_id is not null`;
  return JSON.stringify({ users, ledger, owners });
}

test("five events in each of their 120 orders have the same result", async () => {
  const ends = new Set<string>();
  for (const places of permutations(svixIds.length)) {
    ends.add(
      await endOf(svixIds.toSorted((a, b) => placeOf(a, places) - placeOf(b, places)).map((svixId) => [svixId])),
    );
  }
  expect([...ends]).toHaveLength(1);
  expect(JSON.parse([...ends][0] ?? "")).toMatchObject({
    users: [
      { clerk_id: "user_Ana", name: "C Souza", role: "admin", email: "ANA@example.com" },
      { clerk_id: "user_Leaves", name: null, deleted_at: startMs + 60_000 },
    ],
    owners: [{ clerk_id: "user_Ana" }],
  });
}, 60_000);

test("five events cut into batches in each of 16 ways, in ten orders, have the same result", async () => {
  const ends = new Set<string>();
  for (let turn = 0; turn < 10; turn += 1) {
    const order = [...svixIds.slice(turn % 5), ...svixIds.slice(0, turn % 5)];
    if (turn >= 5) order.reverse();
    for (let cuts = 0; cuts < 16; cuts += 1) {
      const groups: (keyof typeof told)[][] = [[]];
      for (const [place, svixId] of order.entries()) {
        groups.at(-1)?.push(svixId);
        if (cuts & (1 << place)) groups.push([]);
      }
      ends.add(await endOf(groups));
    }
  }
  expect([...ends]).toHaveLength(1);
}, 60_000);

function placeOf(svixId: keyof typeof told, places: readonly number[]): number {
  return places[svixIds.indexOf(svixId)] ?? 0;
}
