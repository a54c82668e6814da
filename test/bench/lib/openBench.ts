import postgres from "postgres";
import type { EmbeddedPostgres } from "../../../src/dev/postgres/embeddedPostgres.ts";
import { newPgBouncer, openPgBouncer, type PgBouncer } from "../../support/pgBouncer.ts";
import type { OpenLink } from "../link.ts";
import type { LoadRequest, LoadResult } from "../loader.ts";
import { openBenchServer } from "./databases.ts";
import { startIpcChild, type IpcChild } from "./ipcChild.ts";
import type { Bench } from "./measure.ts";

/** What every part of the bench needs: Postgres, the link that makes it far, and who sends. */
export interface BenchTools extends Bench {
  readonly server: EmbeddedPostgres;
  readonly link: IpcChild<OpenLink, number>;
  /** Undefined where no PgBouncer that keeps prepared statements, as Neon's does, is installed. */
  readonly pooler: PgBouncer | undefined;
  readonly say: (text: string) => void;
  readonly close: () => Promise<void>;
}

export async function openBench(say: (text: string) => void): Promise<BenchTools> {
  const server = await openBenchServer();
  const link = await startIpcChild<OpenLink, number>("link.ts");
  const loader = await startIpcChild<LoadRequest, LoadResult>("loader.ts");
  const pooler = newPgBouncer && (await openPgBouncer({ serverUrl: server.url, poolSize: 20, keepsStatements: true }));
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
  return {
    server,
    link,
    loader,
    pooler,
    say,
    postmasterPid: server.pid,
    findWalBytes: async () => {
      const [row] = await sql<{ bytes: number }[]>`select (pg_current_wal_insert_lsn() - '0/0')::float8 as bytes`;
      return row?.bytes ?? NaN;
    },
    close: async () => {
      await loader.stop();
      await link.stop();
      await pooler?.close();
      await sql.end({ timeout: 1 });
      await server.stop();
    },
  };
}
