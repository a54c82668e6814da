import { expect, test } from "bun:test";
import { createApp, parseConfig } from "../../src/index.ts";
import { createCollectedLog } from "../support/collectedLog.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTestApp, post, signDelivery, testSecret } from "../support/testApp.ts";
import { openForTest } from "../support/toClose.ts";

test("the host's own logger gets no message of a trigger, only its SQLSTATE and names", async () => {
  const { log, lines } = createCollectedLog();
  const t = await openForTest(openTestApp());
  const config = { ...parseConfig({}), webhookSecrets: [testSecret] };
  const app = createApp({ config, database: t.database, clerk: null, log });
  await t.sql.unsafe(`
    create function team_rule() returns trigger language plpgsql as $f$
      begin raise exception 'bad address %', new.email using detail = new.email; return new; end $f$;
    create trigger team_rule before insert on users for each row execute function team_rule()`);
  const body = JSON.stringify(userEvent(clerkUser("user_Host", { email: "host@example.com" })));
  expect((await post(app, body, signDelivery(body))).said).toBe("refused");
  expect(lines.find((line) => line["rule"] === "team_rule")).toMatchObject({ err: { code: "P0001" } });
  expect(JSON.stringify(lines)).not.toMatch(/bad address|host@example/);
});
