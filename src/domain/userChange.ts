import type { SyncSource } from "./outcome.ts";

/** What the ledger stores of a verified webhook delivery. Times are epoch milliseconds. */
export interface Delivery {
  readonly svixId: string;
  readonly type: string | null;
  readonly instanceId: string | null;
  /** The envelope's `timestamp`; null if it has no usable one. */
  readonly occurredAtMs: number | null;
  /** Arrival of this `svix-id`; for a replay its first arrival. */
  readonly receivedAtMs: number;
  /** The exact text received; empty if it is not to be stored. */
  readonly payload: string;
}

/** Columns of `users` derived from a Clerk user. Every string can be stored and fits this program's own column. */
export interface UserFields {
  readonly name: string | null;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly imageUrl: string | null;
  readonly loginMethod: string | null;
  /** Null: the user object has no valid role, and the stored role is kept. */
  readonly role: "user" | "admin" | null;
  readonly lastSignedInMs: number;
  readonly clerkCreatedAtMs: number | null;
}

/** The content of a user as of `version`. */
export interface UserUpsert {
  readonly kind: "upsert";
  readonly source: SyncSource;
  readonly clerkId: string;
  /** See `toVersionKey`. */
  readonly version: string;
  readonly updatedAtMs: number;
  readonly fields: UserFields;
  /** The Clerk user as JSON text, without `private_metadata` and without what Postgres cannot store. */
  readonly rawJson: string;
  readonly delivery?: Delivery;
}

/** The user no longer exists at Clerk; final. */
export interface UserDeletion {
  readonly kind: "delete";
  readonly source: SyncSource;
  readonly clerkId: string;
  readonly deletedAtMs: number;
  readonly delivery?: Delivery;
}

/** A verified delivery that changes no user and is only recorded in the ledger. */
export interface LedgerOnly {
  readonly kind: "ignored" | "dead";
  readonly source: "webhook";
  /** The user whom the event names, if any: the deletion of that user erases this payload too. */
  readonly clerkId: string | null;
  /** Why the event is dead. `refused`: by a rule of the database; it is retried. */
  readonly errorCode: string | null;
  /** Set for a refused event: the rule, and the version of the user that it would have stored (null: a deletion). */
  readonly refusal?: { readonly rule: string; readonly version: string | null };
  readonly delivery: Delivery;
}

/** The common form of a change from any source: webhook, re-sync, backfill, reconcile or first login. */
export type UserChange = UserUpsert | UserDeletion | LedgerOnly;
