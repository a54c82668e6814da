import type { Outcome } from "./outcome.ts";
import type { RunKind, RunStatus } from "./syncRun.ts";

/** Something that took time. */
export interface Span {
  /** Epoch milliseconds, with fractions. */
  readonly startedAtMs: number;
  readonly ms: number;
}

/** An answer of the webhook. */
export interface DeliveryAnswer extends Span {
  readonly status: number;
  /** Of a delivery that was settled. */
  readonly outcome: Outcome | null;
  /** Of one that was refused or put off. */
  readonly code: string | null;
  /** From Clerk's `timestamp` to the commit here, milliseconds; null where either is unknown. */
  readonly lagMs: number | null;
}

/** One call of `apply_user_changes`. */
export interface BatchCommit extends Span {
  readonly items: number;
  readonly isCommitted: boolean;
}

/** One attempt at Clerk's Backend API. */
export interface ClerkCall extends Span {
  /** The route, with `:id` for a user's id. */
  readonly route: string;
  /** Null: no answer. */
  readonly status: number | null;
}

/**
 * Told what happens, for metrics and traces. Called on the way of each delivery: has to be quick, and never throws.
 * Gets neither names nor addresses nor payloads, so that it cannot pass any on.
 */
export interface SyncObserver {
  readonly onDelivery?: (answer: DeliveryAnswer) => void;
  readonly onBatch?: (batch: BatchCommit) => void;
  readonly onClerkCall?: (call: ClerkCall) => void;
  readonly onRun?: (run: { readonly kind: RunKind; readonly status: RunStatus }) => void;
}

/** One observer that tells several. */
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

/** Starts a stopwatch; calling it tells since when and for how long. */
export function startSpan(): () => Span {
  const startedMs = performance.now();
  return () => ({ startedAtMs: performance.timeOrigin + startedMs, ms: performance.now() - startedMs });
}
