import type { Outcome } from "./outcome.ts";
import type { RunKind, RunStatus } from "./syncRun.ts";

/** A measured interval. */
export interface Span {
  /** Epoch milliseconds, with fractions. */
  readonly startedAtMs: number;
  readonly ms: number;
}

/** The answer to one webhook delivery. */
export interface DeliveryAnswer extends Span {
  readonly status: number;
  /** Null unless the delivery was settled. */
  readonly outcome: Outcome | null;
  /** The error code; null if the delivery was settled. */
  readonly code: string | null;
  /** From Clerk's `timestamp` to the commit, milliseconds; null if either time is unknown. */
  readonly lagMs: number | null;
}

/** One call of `apply_user_changes`. */
export interface BatchCommit extends Span {
  readonly items: number;
  readonly isCommitted: boolean;
}

/** One HTTP request to Clerk's Backend API; each retry is a call of its own. */
export interface ClerkCall extends Span {
  /** The route, with `:id` for a user's id. */
  readonly route: string;
  /** HTTP status; null: no answer. */
  readonly status: number | null;
}

/**
 * Receives measurements for metrics and traces. Called synchronously for each delivery: must return quickly and must
 * not throw. Gets no personal data: neither names nor addresses nor payloads.
 */
export interface SyncObserver {
  readonly onDelivery?: (answer: DeliveryAnswer) => void;
  readonly onBatch?: (batch: BatchCommit) => void;
  readonly onClerkCall?: (call: ClerkCall) => void;
  readonly onRun?: (run: { readonly kind: RunKind; readonly status: RunStatus }) => void;
}

/** An observer that forwards every call to all of `observers`. */
export function combineObservers(observers: readonly SyncObserver[]): SyncObserver {
  const [only] = observers;
  if (observers.length === 1 && only) return only;
  return {
    onDelivery: (answer) => observers.forEach((observer) => observer.onDelivery?.(answer)),
    onBatch: (batch) => observers.forEach((observer) => observer.onBatch?.(batch)),
    onClerkCall: (call) => observers.forEach((observer) => observer.onClerkCall?.(call)),
    onRun: (run) => observers.forEach((observer) => observer.onRun?.(run)),
  };
}

/** Starts a measurement. The returned function gives the span from here to its call. */
export function startSpan(): () => Span {
  const startedMs = performance.now();
  return () => ({ startedAtMs: performance.timeOrigin + startedMs, ms: performance.now() - startedMs });
}
