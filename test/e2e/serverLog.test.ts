import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { findFreePort } from "../../src/dev/findFreePort.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { startServerProcess } from "../support/serverProcess.ts";
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
    const databaseUrl = "postgresql://nobody:secret@127.0.0.1:9/none";
    const server = await openForTest(startServerProcess({ databaseUrl, env: { LOG_FORMAT: format } }));
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.output().trimEnd().split("\n").at(-1)).toContain("[Server] Stopped");
  },
  30_000,
);
