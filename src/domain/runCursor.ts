/** Position in a full listing of Clerk's users, which is in order of their creation. */
export interface PassPosition {
  /** Users seen so far. */
  readonly users: number;
  /** The first user of the list. A later page that contains it shows that Clerk ignored the cursor. */
  readonly firstId: string | null;
  /**
   * The last users seen, oldest first. The next page starts after the last one, or after the one before it if that
   * user has been deleted in between, so that no user is skipped or counted twice.
   */
  readonly trail: readonly string[];
  /** Creation time of the last user seen, epoch milliseconds: the fallback if all users of the trail are deleted. */
  readonly createdAtMs: number | null;
}

/** From where a run resumes. Stored as JSON in `sync_runs.cursor` with every page; other versions read it too. */
export interface RunCursor {
  /** Pages saved so far. */
  readonly step: number;
  readonly phase: "users" | "deletions";
  /** Whether a new run may resume from here after this one has stopped. */
  readonly resumable: boolean;
  readonly position: PassPosition;
  /** Users at Clerk when the run began, which is how many a full listing covers. Null: not counted yet. */
  readonly usersAtClerk: number | null;
  /** Active users in the database when the run began: the limit on deletions is a share of them. */
  readonly activeUsers: number;
  /** The newest `updated_at` at Clerk when the run began, epoch milliseconds: watermark of the next incremental run. */
  readonly watermarkMs: number | null;
  /** `ClerkSnapshot.text` from before the run's first page; null: not read yet. */
  readonly snapshot: string | null;
  /** Number of elements of Clerk's lists that are not readable users. */
  readonly leftOut: number;
  /** The first few of these elements. */
  readonly leftOutNames: readonly string[];
  /** Users skipped because another transaction has locked their rows; retried before the next page. */
  readonly busyIds: readonly string[];
  /** Number of users whom a rule of the database refused. */
  readonly refused: number;
  /** The first few of these users. */
  readonly refusedIds: readonly string[];
}

/** The cursor before the first page. */
export const initialCursor: RunCursor = {
  step: 0,
  phase: "users",
  resumable: true,
  position: { users: 0, firstId: null, trail: [], createdAtMs: null },
  usersAtClerk: null,
  activeUsers: 0,
  watermarkMs: null,
  snapshot: null,
  leftOut: 0,
  leftOutNames: [],
  busyIds: [],
  refused: 0,
  refusedIds: [],
};
