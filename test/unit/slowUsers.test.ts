import { expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { createSlowUsers } from "../../src/service/slowUsers.ts";
import { createTestClock } from "../support/testClock.ts";

/** Users whose changes are applied, or fail as `unavailable` if they are in `failing`. */
function openSlowUsers({ failing = [] }: { failing?: string[] } = {}) {
  const clock = createTestClock();
  const users = createSlowUsers(clock);
  const apply = (ids: readonly (string | null)[]) =>
    users.pass(
      ids.map((clerkId) => ({ change: { clerkId } })),
      (items) =>
        Promise.resolve(
          items.map(({ change }) =>
            failing.includes(change.clerkId ?? "") ? new Error("fails") : `${change.clerkId} done`,
          ),
        ),
    );
  return { clock, users, apply, failing };
}

const refused = expect.any(AppError) as AppError;

test("slow users are tried one at a time with pauses, all others always, until a change of theirs is applied", async () => {
  const { clock, users, apply, failing } = openSlowUsers({ failing: ["A"] });
  users.cancelled("A");
  users.cancelled("B");
  expect(await apply(["A", null, "C", "B"])).toEqual([refused, "null done", "C done", refused]);
  await clock.advance(4_000);
  expect(await apply(["A", "B", "C"])).toEqual([new Error("fails"), refused, "C done"]);
  await clock.advance(3_999);
  expect(await apply(["B"])).toEqual([refused]);
  await clock.advance(1);
  expect(await apply(["B", "A"])).toEqual(["B done", refused]);
  expect(await apply(["B"])).toEqual(["B done"]);
  failing.pop();
  await clock.advance(4_000);
  expect(await apply(["A"])).toEqual(["A done"]);
  expect(await apply(["A"])).toEqual(["A done"]);
});

test("not more than 1,000 slow users are remembered", async () => {
  const { users, apply } = openSlowUsers();
  for (let n = 0; n <= 1_000; n += 1) users.cancelled(`U${n}`);
  expect(await apply(["U0", "U1000"])).toEqual(["U0 done", refused]);
});
