import type { EventSummary, MentoradoRow, UserRow, UserStatus } from "../../domain/userStatus.ts";
import type { Database } from "../connection/database.ts";
import { toIsoTime } from "../toIsoTime.ts";
import { functionsSchema } from "../migration/sqlFunctions.ts";
import { fromWire } from "../wire.ts";

/** Answer of the SQL function `user_state`. */
interface UserState {
  readonly state: UserStatus["state"];
  readonly link: UserStatus["link"];
  readonly user: UserRow | null;
  readonly mentorado: MentoradoRow | null;
  readonly lastEvent: EventSummary | null;
}

/** One query; an unknown user has the state `missing`. */
export async function findUserStatus(database: Database, clerkId: string): Promise<UserStatus> {
  const rows = await database.run(
    (sql) => sql<{ state: unknown }[]>`select ${sql(functionsSchema)}.user_state(${clerkId}) as state`,
  );
  return toUserStatus(clerkId, rows[0]?.state);
}

/** Maps an answer of `user_state`. */
export function toUserStatus(clerkId: string, answer: unknown): UserStatus {
  const { state, link, user, mentorado, lastEvent } = toIsoTimes(fromWire(answer)) as UserState;
  const lagMs =
    lastEvent?.occurredAt == null ? null : Date.parse(lastEvent.settledAt) - Date.parse(lastEvent.occurredAt);
  return {
    clerkId,
    state,
    link,
    user,
    mentorado,
    lastEvent,
    syncedAt: user?.syncedAt ?? null,
    source: user?.syncSource ?? null,
    lagMs: lagMs === null ? null : Math.max(0, lagMs),
  };
}

function toIsoTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toIsoTimes);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      typeof inner === "string" && /(?:At|lastSignedIn)$/.test(key) ? toIsoTime(inner) : toIsoTimes(inner),
    ]),
  );
}
