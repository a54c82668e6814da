import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { findFreePort } from "../../src/dev/findFreePort.ts";
import { createSyncClient } from "../../src/trpc/client.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { startServerProcess, waitFor } from "../support/serverProcess.ts";
import { testAdminToken } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";
import { openUnreadPipe } from "../support/unreadPipe.ts";

/** A device that is always full. */
function openFullDevice() {
  const fd = openSync("/dev/full", "w");
  return { fd, close: () => closeSync(fd) };
}

test.each([
  ["full", "json"],
  ["unread", "json"],
  ["unread", "pretty"],
] as const)(
  "a log that is %s (%s) neither delays nor fails an answer, nor the end",
  async (kind, format) => {
    const db = await openForTest(openTestDatabase());
    const stdout = await openForTest(kind === "full" ? openFullDevice() : openUnreadPipe());
    const server = await openForTest(
      startServerProcess({
        databaseUrl: db.url,
        env: { LOG_FORMAT: format },
        silent: { stdout: stdout.fd, port: await findFreePort() },
      }),
    );
    // A delivery leaves two lines; together they are more than a pipe holds.
    for (let round = 0; round < 10; round++) {
      const sent = Array.from({ length: 50 }, (_, place) =>
        server.deliver(userEvent(clerkUser(`user_R${round}P${place}`))),
      );
      const answers = (await Promise.all(sent)).map(({ status, said, ms }) => ({ status, said, isQuick: ms < 8_000 }));
      expect(answers).toEqual(answers.map(() => ({ status: 200, said: "applied", isQuick: true })));
    }
    expect((await server.get("/healthz")).status).toBe(200);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  },
  60_000,
);

test.each(["json", "pretty"])(
  "the last line of a log in format %s is written before the process ends",
  async (format) => {
    const databaseUrl = "postgresql://absent:secret@127.0.0.1:9/none";
    const server = await openForTest(startServerProcess({ databaseUrl, env: { LOG_FORMAT: format } }));
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.output().trimEnd().split("\n").at(-1)).toContain("[Server] Stopped");
  },
  30_000,
);

test("the message of a trigger, which may quote an address, is in neither log nor /readyz; the trigger's and table's names are", async () => {
  const db = await openForTest(openTestDatabase());
  await db.sql.unsafe(`
    create function no_free_mail() returns trigger language plpgsql as $f$
      begin
        if new.email is not null then
          raise exception '%', 'bad address ' || new.email using detail = new.email, hint = new.email;
        end if;
        return new;
      end $f$;
    create trigger no_free_mail before insert or update on users for each row execute function no_free_mail()`);
  const server = await openForTest(
    startServerProcess({ databaseUrl: db.url, env: { ADMIN_API_TOKEN: testAdminToken } }),
  );
  const user = clerkUser("user_Quoted", { email: "ana.quoted@example.com" });
  expect((await server.deliver(userEvent(user), { svixId: "msg_quoted" })).said).toBe("refused");
  const client = createSyncClient({ url: server.url, token: testAdminToken });
  const replay = client.events.replay.mutate({ svixId: "msg_quoted" });
  expect(await replay.catch((error: { message: string }) => error.message)).toContain("no_free_mail");
  const readiness = async () => (await server.get("/readyz")).body;
  await waitFor(async () => (await readiness()).includes("no_free_mail"), { deadlineMs: 10_000, what: "a rehearsal" });
  expect(JSON.parse(await readiness())).toMatchObject({
    ready: false,
    checks: { rehearsal: "Trigger no_free_mail of table users (function no_free_mail) (P0001)" },
  });
  for (const text of [server.output(), await readiness()]) {
    expect(text).not.toMatch(/bad address|@example\.com|@r\.invalid/);
  }
  const refusals = server.logs.filter((line) => line.msg.includes("refused a change"));
  expect(refusals[0]).toMatchObject({ rule: "no_free_mail", err: { type: "PostgresError", code: "P0001" } });
  const failed = server.logs.find((line) => line.msg === "[tRPC] A call failed");
  expect(failed).toMatchObject({ err: { code: "refused", cause: { code: "P0001" } } });
}, 30_000);
