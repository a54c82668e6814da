import type { Database } from "../store/connection/database.ts";
import { version } from "../version.ts";
import { findSchemaState } from "../store/migration/migrate.ts";

/** A probe that waits longer has its answer. */
const readyDeadlineMs = 3_000;

export interface Readiness {
  /** Of the program that answers. */
  readonly version: string;
  readonly ready: boolean;
  /** `ok`, or what is wrong, by the name of the check. */
  readonly checks: Readonly<Record<"server" | "database" | "migrations" | "turma", string>>;
}

/** What `/readyz` answers. One question to the database serves all who ask while it is under way. */
export function createReadiness(deps: {
  database: Database;
  defaultTurma: string;
  isDraining: () => boolean;
}): () => Promise<Readiness> {
  let asking: Promise<Readiness> | undefined;
  return () => {
    asking ??= askDatabase(deps).finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

async function askDatabase(deps: Parameters<typeof createReadiness>[0]): Promise<Readiness> {
  const server = deps.isDraining() ? "draining" : "ok";
  try {
    const { pending, turmaLabels } = await deps.database.run(findSchemaState, { deadlineMs: readyDeadlineMs });
    const migrations = pending.length === 0 ? "ok" : "pending";
    const turma = turmaLabels.includes(deps.defaultTurma) ? "ok" : "DEFAULT_TURMA is no label of the enum turma";
    const checks = { server, database: "ok", migrations, turma };
    return { version, ready: Object.values(checks).every((check) => check === "ok"), checks };
  } catch {
    // The database layer has logged why; a probe only needs to know that.
    return {
      version,
      ready: false,
      checks: { server, database: "unavailable", migrations: "unknown", turma: "unknown" },
    };
  }
}
