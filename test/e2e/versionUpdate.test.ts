import { expect, test } from "bun:test";
import { startClerkTraffic } from "../support/clerkTraffic.ts";
import { openVariant } from "../support/programs.ts";
import { expectNothingLost, openRollingUpdate, readFunctions } from "../support/rollingUpdate.ts";
import { openForTest } from "../support/toClose.ts";

test("two consecutive versions serve side by side, each with its own functions, and only the newest two are kept", async () => {
  const update = await openRollingUpdate({ users: 0 });
  const readSchemas = async () => {
    const rows = await update.db.sql<{ name: string }[]>`
      select nspname as name from pg_namespace where nspname like 'clerk\\_sync\\_%'`;
    return rows.map((row) => row.name);
  };
  await update.run(["migrate"]);
  const schemasOfFirst = await readSchemas();
  const first = await update.start();
  const traffic = await openForTest(startClerkTraffic(update.clerk, { copies: update.copies }));

  const { folder: nextFolder } = await openForTest(
    openVariant("src/store/sql/users/apply_user_changes.sql", (text) => `-- Only a comment differs.\n${text}`),
  );
  await update.run(["migrate"], { folder: nextFolder });
  const second = await update.start({ folder: nextFolder });
  await Bun.sleep(500);
  const withSecond = await readFunctions(update.db);
  await update.run(["migrate"]);
  expect(await readFunctions(update.db)).toEqual(withSecond);
  const schemasOfBoth = await readSchemas();
  await first.retire();

  const { folder: lastFolder } = await openForTest(
    openVariant("src/store/sql/users/user_state.sql", (text) =>
      text.replace("user_state(of_clerk_id text)", "user_state(of_clerk_id text, unused text default null)"),
    ),
  );
  await update.run(["migrate"], { folder: lastFolder });
  const third = await update.start({ folder: lastFolder });
  await Bun.sleep(500);
  const withThird = await readFunctions(update.db);
  await update.run(["migrate"], { folder: nextFolder });
  expect(await readFunctions(update.db)).toEqual(withThird);
  const schemasAtEnd = await readSchemas();
  await traffic.stop();

  expect([first, second, third].flatMap(({ unready }) => unready)).toEqual([]);
  await expectNothingLost(update, traffic);
  const schemasOfSecond = schemasOfBoth.filter((name) => !schemasOfFirst.includes(name));
  expect([schemasOfFirst.length, schemasOfSecond.length, schemasAtEnd.length]).toEqual([1, 1, 2]);
  // The third's own beside it.
  expect(schemasAtEnd.filter((name) => schemasOfBoth.includes(name))).toEqual(schemasOfSecond);
}, 150_000);
