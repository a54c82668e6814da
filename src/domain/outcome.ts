/** What became of one change. The closed list of CONTRACT: a webhook answers the first five, the ledger keeps all but `duplicate`. */
export const outcomes = ["applied", "unchanged", "stale", "duplicate", "ignored", "dead"] as const;
export type Outcome = (typeof outcomes)[number];

/** How a user and the mentorado stand to each other. Derived from the tables, never stored. */
export const linkStates = ["linked", "unverified", "no_email", "conflict", "none"] as const;
export type LinkState = (typeof linkStates)[number];

/** Through which door a change came. */
export const syncSources = ["webhook", "resync", "backfill", "reconcile", "jit"] as const;
export type SyncSource = (typeof syncSources)[number];
