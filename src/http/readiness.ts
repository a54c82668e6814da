import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { awakeAfterUseMs, inBackground } from "../store/connection/inBackground.ts";
import { version } from "../version.ts";
import { findSchemaState, type SchemaState } from "../store/migration/schemaState.ts";
import type { RehearsalReport } from "../store/migration/rehearsal.ts";
import { listNames } from "../service/startRehearsal.ts";
import type { ClockWatch } from "./clockWatch.ts";
import { toClockText } from "../domain/alarm.ts";
import { hasDefaultTurma } from "../store/migration/turma.ts";

/** Below the timeout of a probe (5 s in the recipe for Kubernetes). */
const readyDeadlineMs = 3_000;
/** Age up to which the last answer of an unused database is used. */
const answerAgeMsMax = 24 * 3_600_000;

const turmaWarning =
  "DEFAULT_TURMA is no label of the enum turma: users are stored, new mentorados wait until it is one";

/** The answer of `/readyz`. */
export interface Readiness {
  /** Version of this program. */
  readonly version: string;
  readonly ready: boolean;
  /**
   * For each check `ok` or what is wrong. `rehearsal` names the obstacles, without Postgres' messages; until the first
   * rehearsal has ended it is `unknown`, which does not make the server unready.
   */
  readonly checks: Readonly<Record<"server" | "database" | "migrations" | "rehearsal", string>>;
  /** Problems that an operator should fix; the server stays ready. */
  readonly warnings: readonly string[];
  /** When the database was asked; set if its last answer is used again, so that probes do not keep it awake. */
  readonly databaseAskedAt?: string;
}

interface ReadinessDeps {
  readonly database: Database;
  readonly log: Log;
  readonly clock: Clock;
  readonly defaultTurma?: string | undefined;
  readonly findRehearsal?: (() => RehearsalReport | undefined) | undefined;
  readonly clockWatch: ClockWatch;
  readonly isDraining: () => boolean;
}

/** Answer of the database; `schema` is null if it did not answer. */
interface DatabaseAnswer {
  readonly schema: SchemaState | null;
  readonly askedAtMs: number;
}

/**
 * Creates the check behind `/readyz`. Simultaneous probes share one query. A database that was ready at the last query,
 * and that deliveries and operators have not used for as long as it takes Neon to suspend it, is not queried. A failure
 * is logged when it begins, not at every probe.
 */
export function createReadiness(deps: ReadinessDeps): () => Promise<Readiness> {
  const { database, log, clock } = deps;
  let asking: Promise<DatabaseAnswer> | undefined;
  let last: DatabaseAnswer | undefined;

  async function ask(): Promise<DatabaseAnswer> {
    const askedAtMs = clock.nowMs();
    try {
      const schema = await inBackground(database).run(findSchemaState, { deadlineMs: readyDeadlineMs });
      last = { schema, askedAtMs };
    } catch (error) {
      if (last?.schema !== null)
        log.error({ err: error }, "[Readiness] The database does not answer; /readyz is 503 until it does");
      last = { schema: null, askedAtMs };
    }
    return last;
  }

  function findLastOfSleeping(): DatabaseAnswer | undefined {
    const isAsleep = database.idleMs() >= awakeAfterUseMs && database.state() === "closed";
    if (!isAsleep || !last?.schema || last.schema.pending.length > 0) return undefined;
    return clock.nowMs() - last.askedAtMs < answerAgeMsMax ? last : undefined;
  }

  return async () => {
    const known = findLastOfSleeping();
    if (known) {
      const databaseAskedAt = new Date(known.askedAtMs).toISOString();
      return { ...toReadiness(deps, known.schema), databaseAskedAt };
    }
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return toReadiness(deps, (await asking).schema);
  };
}

function toReadiness(deps: ReadinessDeps, schema: SchemaState | null): Readiness {
  const server = deps.isDraining() ? "draining" : "ok";
  const report = deps.findRehearsal?.();
  const rehearsal = report === undefined ? "unknown" : listNames(report.obstacles).join("\n") || "ok";
  const offsetSeconds = deps.clockWatch.findOffsetSeconds();
  const rehearsed = listNames(report?.warnings ?? []).map((text) => text.replace(/\.$/, ""));
  const known = [...rehearsed, ...(offsetSeconds === null ? [] : [toClockText(offsetSeconds)])];
  if (schema === null) {
    const checks = { server, database: "unavailable", migrations: "unknown", rehearsal };
    return { version, ready: false, checks, warnings: known };
  }
  const migrations = schema.pending.length === 0 ? "ok" : "pending";
  const ready = [server, migrations, report === undefined ? "ok" : rehearsal].every((check) => check === "ok");
  const warnings = [...(hasDefaultTurma(schema.turmaLabels, deps.defaultTurma) ? [] : [turmaWarning]), ...known];
  const checks = { server, database: "ok", migrations, rehearsal };
  return { version, ready, checks, warnings };
}
