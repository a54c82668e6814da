import { expect, test } from "bun:test";
import { startServerProcess } from "../support/serverProcess.ts";

test("a port in use ends the server with one line that says so, without a stack", async () => {
  using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(null, { status: 404 }) });
  const starting = startServerProcess({
    databaseUrl: "postgresql://absent:secret@127.0.0.1:9/none",
    env: { PORT: String(other.port), LOG_LEVEL: "fatal" },
  });
  const said = await starting.then(
    () => "it started",
    (error: Error) => error.message,
  );
  expect(said.trim()).toBe(
    "The server ended with 1: The server cannot listen: the PORT is taken, or HOST is no address of this machine.",
  );
}, 30_000);
