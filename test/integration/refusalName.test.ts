import { expect, test } from "bun:test";
import { errorTexts } from "../../src/errors.ts";
import { unavailable } from "../../src/store/connection/attempt.ts";
import type { Database } from "../../src/store/connection/database.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

let isCatalogueAnswering = true;
const run: (database: Database) => Database["run"] = (database) => (work, options) =>
  isCatalogueAnswering ? database.run(work, options) : Promise.reject(unavailable(errorTexts.databaseTimeout));

const t = openForFile(() => openTestApp({ wrapDatabase: (database) => ({ ...database, run: run(database) }) }));

test("while the catalogue does not answer, a refused event is kept with the function's name and the others of its batch are stored", async () => {
  await t.sql`
    create function team_function() returns trigger language plpgsql as $$
    begin if new.name like 'Refused%' then raise exception 'no'; end if; return new; end $$`;
  await t.sql`create trigger team_rule before insert or update on users for each row execute function team_function()`;
  const deliverRefused = (svixId: string) =>
    t.deliver(userEvent(clerkUser("user_refused", { first_name: "Refused" })), { svixId });

  expect((await deliverRefused("msg_refused_1")).said).toBe("refused");
  expect((await t.findEvent("msg_refused_1"))?.error_detail).toBe("team_rule");

  isCatalogueAnswering = false;
  const others = ["user_a", "user_b", "user_c"].map((id) => t.deliver(userEvent(clerkUser(id))));
  const answers = await Promise.all([deliverRefused("msg_refused_2"), ...others]);
  expect(answers.map((answer) => answer.said)).toEqual(["refused", "applied", "applied", "applied"]);
  expect(await t.findEvent("msg_refused_2")).toMatchObject({ outcome: "dead", error_detail: "team_function" });
});
