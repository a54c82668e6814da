import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import postgres from "postgres";
import { openEmbeddedPostgres } from "../../src/dev/postgres/embeddedPostgres.ts";
import { silentLog } from "../../src/log.ts";

test("what was committed survives kill -9 of the server", async () => {
  const server = await openEmbeddedPostgres({ persistent: false, log: silentLog, durable: true });
  const first = postgres(server.url, { max: 1 });
  await first`create table kept as select 42 as answer`;
  await server.kill();
  await first.end({ timeout: 0 });
  await server.restart();
  const second = postgres(server.url, { max: 1 });
  expect((await second`select answer from kept`)[0]?.["answer"]).toBe(42);
  await second.end();
  await server.stop();
}, 30_000);

test("stopping the embedded Postgres leaves no process and no folder", async () => {
  const server = await openEmbeddedPostgres({ persistent: false, log: silentLog });
  const { pid } = server;
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  await server.stop();
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  expect(existsSync(server.dataFolder)).toBe(false);
}, 30_000);
