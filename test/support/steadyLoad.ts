import { expect } from "bun:test";
import { clerkUser, startMs, userEvent } from "./events.ts";

interface Receiver {
  readonly deliver: (event: unknown) => Promise<{ readonly status: number }>;
}

/** One delivery of a steady load. */
interface Answered {
  readonly clerkId: string;
  readonly status: number;
  readonly ms: number;
}

export interface SteadyLoad {
  /** Resolves when every delivery under way has its answer. */
  readonly stop: () => Promise<readonly Answered[]>;
}

let loads = 0;

/**
 * Deliveries at fixed times, whether or not those before are answered: new users, each of whom is changed once.
 * @param options.existing users who are changed in turn, beside the new ones
 */
export function startSteadyLoad(
  t: Receiver,
  { perSecond, existing = [] }: { perSecond: number; existing?: readonly string[] },
): SteadyLoad {
  const load = (loads += 1);
  const answers: Promise<Answered>[] = [];
  let nth = 0;
  const timer = setInterval(() => {
    nth += 1;
    const known = existing[(nth >> 1) % Math.max(existing.length, 1)];
    const clerkId = known !== undefined && nth % 2 === 0 ? known : `user_Load${load}x${nth - (nth % 3 === 0 ? 1 : 0)}`;
    answers.push(deliverTimed(t, clerkId, startMs + nth));
  }, 1_000 / perSecond);
  return {
    stop: () => {
      clearInterval(timer);
      return Promise.all(answers);
    },
  };
}

async function deliverTimed(t: Receiver, clerkId: string, updated_at: number): Promise<Answered> {
  const startedMs = performance.now();
  const { status } = await t.deliver(userEvent(clerkUser(clerkId, { updated_at, first_name: `V${updated_at}` })));
  return { clerkId, status, ms: performance.now() - startedMs };
}

/** Fails unless all were answered 200 within `msMax`, a hundredth of them aside. */
export function expectUndelayed(answers: readonly Answered[], { msMax = 1_000 }: { msMax?: number } = {}): void {
  const sorted = answers.map(({ ms }) => Math.round(ms)).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  const refused = answers.filter(({ status }) => status !== 200).length;
  if (process.env["TEST_PRINT_FIGURES"])
    console.error(`${answers.length} deliveries, ${refused} not 200, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  expect(answers.length).toBeGreaterThan(20);
  expect(refused).toBe(0);
  expect(at(0.99)).toBeLessThan(msMax);
}
