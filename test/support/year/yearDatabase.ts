import postgres from "postgres";
import { openEmbeddedPostgres } from "../../../src/dev/postgres/embeddedPostgres.ts";
import { silentLog } from "../../../src/log.ts";
import { findMajorPackage, majorVariable } from "../postgresMajor.ts";

/** A Postgres of its own, because the clock of the SQL functions is moved by a setting of the server: no connection is cut. */
export async function openYearDatabase() {
  const packageFolder = await findMajorPackage(process.env[majorVariable]);
  const server = await openEmbeddedPostgres({ persistent: false, log: silentLog, packageFolder });
  await server.createDatabase("year");
  const url = server.urlFor("year");
  const sql = postgres(url, { max: 2, onnotice: () => undefined });
  return {
    url,
    sql,
    /** @param offsetMs the new time minus the machine's; used by each connection from its next statement on */
    moveClock: async (offsetMs: number): Promise<void> => {
      const offset = `${offsetMs} ms`;
      await sql.unsafe(`alter system set clerk_neon_sync.clock_offset = '${offset}'`);
      await sql`select pg_reload_conf()`;
      const find = () => sql<{ now: string }[]>`select current_setting('clerk_neon_sync.clock_offset', true) as now`;
      while ((await find())[0]?.now !== offset) await Bun.sleep(2);
      // All connections are signalled at the same time.
      await Bun.sleep(5);
    },
    close: async (): Promise<void> => {
      await sql.end({ timeout: 1 });
      await server.stop();
    },
  };
}
