/** Every outcome of a change. A webhook answers the first five; the ledger stores all except `duplicate`. */
export const outcomes = ["applied", "unchanged", "stale", "duplicate", "ignored", "dead"] as const;
/** One of `outcomes`. */
export type Outcome = (typeof outcomes)[number];

/** Every link status of a user. Derived from the tables by the SQL function `link_state`, never stored. */
export const linkStates = ["linked", "unverified", "no_email", "conflict", "none"] as const;
/** One of `linkStates`. */
export type LinkState = (typeof linkStates)[number];

/** Where a change came from; `jit` is a first login. Stored in `users.sync_source`. */
export const syncSources = ["webhook", "resync", "backfill", "reconcile", "jit"] as const;
/** One of `syncSources`. */
export type SyncSource = (typeof syncSources)[number];
