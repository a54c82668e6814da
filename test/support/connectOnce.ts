// Run as a process, because NODE_EXTRA_CA_CERTS is read when one starts: connects to the URL in DATABASE_URL and prints
// what Postgres says of the connection, or what went wrong.
import type { AppError } from "../../src/errors.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";

const database = openDatabase({ dsn: parseDsn(process.env["DATABASE_URL"] ?? "") });
try {
  const rows = await database.run(
    (sql) => sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`,
    { deadlineMs: 5_000 },
  );
  console.log(rows[0]?.ssl ? "encrypted" : "plain");
} catch (error) {
  const { cause } = error as AppError;
  console.log(cause instanceof Error && "code" in cause ? String(cause.code) : String(cause ?? error));
} finally {
  await database.close();
}
