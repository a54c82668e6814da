import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { version } from "../version.ts";
import { findSchemaState } from "../store/migration/migrate.ts";
import { listNames, type RehearsalReport } from "../store/migration/rehearsal.ts";
import { toClockWarning, type ClockWatch } from "./clockWatch.ts";
import { hasDefaultTurma } from "../store/migration/turma.ts";

/** A probe that waits longer has its answer. */
const readyDeadlineMs = 3_000;

const turmaWarning =
  "DEFAULT_TURMA is no label of the enum turma: users are stored, new mentorados wait until it is one";

export interface Readiness {
  /** Of the program that answers. */
  readonly version: string;
  readonly ready: boolean;
  /**
   * `ok`, or what is wrong, by the name of the check. `rehearsal` names what is in the way, without Postgres' words; it
   * is `unknown` until one has ended, and that alone makes no server not ready.
   */
  readonly checks: Readonly<Record<"server" | "database" | "migrations" | "rehearsal", string>>;
  /** What an operator should mend while the server works on. */
  readonly warnings: readonly string[];
}

/**
 * What `/readyz` answers. One question to the database serves all who ask while it is under way. What keeps the database
 * from answering is logged when it begins, not at every probe.
 */
export function createReadiness(deps: {
  database: Database;
  log: Log;
  defaultTurma?: string | undefined;
  findRehearsal?: (() => RehearsalReport | undefined) | undefined;
  clockWatch: ClockWatch;
  isDraining: () => boolean;
}): () => Promise<Readiness> {
  let asking: Promise<Readiness> | undefined;
  let isAway = false;

  async function ask(): Promise<Readiness> {
    const { readiness, error } = await askDatabase(deps);
    if (error !== undefined && !isAway) deps.log.error({ err: error }, "[Readiness] The database cannot be asked");
    isAway = error !== undefined;
    return readiness;
  }

  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

async function askDatabase(
  deps: Parameters<typeof createReadiness>[0],
): Promise<{ readiness: Readiness; error?: unknown }> {
  const server = deps.isDraining() ? "draining" : "ok";
  const report = deps.findRehearsal?.();
  const rehearsal = report === undefined ? "unknown" : listNames(report.obstacles).join("\n") || "ok";
  const offsetSeconds = deps.clockWatch.findOffsetSeconds();
  const rehearsed = listNames(report?.warnings ?? []).map((text) => text.replace(/\.$/, ""));
  const known = [...rehearsed, ...(offsetSeconds === null ? [] : [toClockWarning(offsetSeconds)])];
  try {
    const { pending, turmaLabels } = await deps.database.run(findSchemaState, { deadlineMs: readyDeadlineMs });
    const migrations = pending.length === 0 ? "ok" : "pending";
    const ready = [server, migrations, report === undefined ? "ok" : rehearsal].every((check) => check === "ok");
    const warnings = [...(hasDefaultTurma(turmaLabels, deps.defaultTurma) ? [] : [turmaWarning]), ...known];
    return { readiness: { version, ready, checks: { server, database: "ok", migrations, rehearsal }, warnings } };
  } catch (error) {
    // Why is for the log alone.
    const checks = { server, database: "unavailable", migrations: "unknown", rehearsal };
    return { readiness: { version, ready: false, checks, warnings: known }, error };
  }
}
