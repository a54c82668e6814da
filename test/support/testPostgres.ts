import { openEmbeddedPostgres, type EmbeddedPostgres } from "../../src/dev/embeddedPostgres.ts";
import { silentLog } from "../../src/log.ts";

let server: Promise<EmbeddedPostgres> | undefined;

/** The one Postgres of this test run, started by the first test that asks for it. */
export function getTestPostgres(): Promise<EmbeddedPostgres> {
  server ??= openEmbeddedPostgres({ log: silentLog, settings: { max_connections: "300" } });
  return server;
}

export async function closeTestPostgres(): Promise<void> {
  await (await server)?.close();
}
