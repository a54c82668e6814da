import type { LinkState, Outcome, SyncSource } from "./outcome.ts";

/** A row of `users` as shown to an operator, without `raw_json`. Times are ISO 8601 in UTC. */
export interface UserRow {
  readonly id: number;
  readonly clerkId: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly imageUrl: string | null;
  readonly loginMethod: string | null;
  readonly role: "user" | "admin";
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly lastSignedIn: string;
  readonly clerkCreatedAt: string | null;
  readonly clerkUpdatedAt: string | null;
  readonly deletedAt: string | null;
  readonly syncedAt: string | null;
  readonly syncSource: SyncSource | null;
}

/** A row of `mentorados`, without the team's own columns. */
export interface MentoradoRow {
  readonly id: number;
  readonly userId: number | null;
  readonly nomeCompleto: string;
  readonly email: string | null;
  readonly fotoUrl: string | null;
  /** A label of the database's enum, which may have more labels than `turmaEnum`. */
  readonly turma: string;
  readonly ativo: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A row of the ledger without its payload. */
export interface EventSummary {
  readonly svixId: string;
  readonly type: string | null;
  readonly clerkId: string | null;
  readonly outcome: Exclude<Outcome, "duplicate">;
  readonly errorCode: string | null;
  /** Name of the constraint, trigger or column that refused the event; null for any other event. */
  readonly errorDetail: string | null;
  readonly occurredAt: string | null;
  readonly receivedAt: string;
  readonly settledAt: string;
  /** Number of deliveries with this `svix-id`. */
  readonly attempts: number;
}

/** Everything stored about one Clerk user. */
export interface UserStatus {
  readonly clerkId: string;
  readonly state: "missing" | "synced" | "deleted";
  readonly link: LinkState;
  readonly user: UserRow | null;
  readonly mentorado: MentoradoRow | null;
  readonly lastEvent: EventSummary | null;
  readonly syncedAt: string | null;
  readonly source: SyncSource | null;
  /** From Clerk's `timestamp` of the last event to its commit, milliseconds. */
  readonly lagMs: number | null;
}
