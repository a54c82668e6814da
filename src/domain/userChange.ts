import type { SyncSource } from "./outcome.ts";

/** What the ledger keeps of a verified webhook delivery. Times are epoch milliseconds. */
export interface Delivery {
  readonly svixId: string;
  readonly type: string | null;
  readonly instanceId: string | null;
  /** The envelope's own `timestamp`, if it has a usable one. */
  readonly occurredAtMs: number | null;
  /** When this `svix-id` first reached us. */
  readonly receivedAtMs: number;
  /** The text received, to the letter; empty if it is not to be kept. */
  readonly payload: string;
}

/** The columns of `users` that a Clerk user decides. Every string is storable and fits its column. */
export interface UserFields {
  readonly name: string | null;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly imageUrl: string | null;
  readonly loginMethod: string | null;
  /** null: this user object does not say; the role stays what it is. */
  readonly role: "user" | "admin" | null;
  readonly lastSignedInMs: number;
  readonly clerkCreatedAtMs: number | null;
}

/** The user is so, as of `version`. */
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

/** The user is gone, for good. */
export interface UserDeletion {
  readonly kind: "delete";
  readonly source: SyncSource;
  readonly clerkId: string;
  readonly deletedAtMs: number;
  readonly delivery?: Delivery;
}

/** A verified delivery that changes no user; only the ledger hears of it. */
export interface LedgerOnly {
  readonly kind: "ignored" | "dead";
  readonly source: "webhook";
  /** The user it is about, if it says so: their deletion erases this payload too. */
  readonly clerkId: string | null;
  /** Why it is dead. `refused`: by a rule of the database, and to be tried anew. */
  readonly errorCode: string | null;
  /** Of a refused event: the rule, and the version of the user it would have stored (null: a deletion). */
  readonly refusal?: { readonly rule: string; readonly version: string | null };
  readonly delivery: Delivery;
}

/** The one value that every door (webhook, re-sync, backfill, reconcile, first login) turns what it learns into. */
export type UserChange = UserUpsert | UserDeletion | LedgerOnly;
