/** How far a pass over all users of Clerk, in the order of their creation, has come. */
export interface PassPosition {
  /** Users looked at. */
  readonly users: number;
  /** The first user of the pass: seen again after a cursor, it tells that the cursor was not understood. */
  readonly firstId: string | null;
  /**
   * The last users looked at, oldest first. The next page begins after the last one; if that one is deleted
   * meanwhile, after the one before, so that no user is left out or counted twice.
   */
  readonly trail: readonly string[];
  /** When the last of them was created, epoch milliseconds: for the day that all of the trail are deleted. */
  readonly createdAtMs: number | null;
}

/** Where a run goes on; saved with every page. */
export interface RunCursor {
  /** Pages saved so far. */
  readonly step: number;
  readonly phase: "users" | "deletions";
  /** Whether a new run may go on from here when this one was stopped. */
  readonly resumable: boolean;
  readonly position: PassPosition;
  /** Users at Clerk when the run began: what a pass over all of them covers. Null: not counted yet. */
  readonly usersAtClerk: number | null;
  /** Active users here when the run began: what the brake on deletions is measured by. */
  readonly activeUsers: number;
  /** The newest `updated_at` at Clerk when the run began, epoch milliseconds: where the next one may stop. */
  readonly watermarkMs: number | null;
  /** See `readClerkSnapshot`, of the time before the run did anything; null: not read yet. */
  readonly snapshot: string | null;
  /** Elements of Clerk's lists that are no readable users. */
  readonly leftOut: number;
  /** The first few of them. */
  readonly leftOutNames: readonly string[];
  /** Users left out so far because another program has locked their rows; they are tried again before the run goes on. */
  readonly busyIds: readonly string[];
  /** Users that Postgres refused. */
  readonly refused: number;
  /** The first few of them. */
  readonly refusedIds: readonly string[];
}

export const runStart: RunCursor = {
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
