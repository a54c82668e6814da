import { expect } from "bun:test";
import type { Sql } from "postgres";
import { clerkUser, startMs, userEvent } from "./events.ts";
import type { ServerProcess, TimedAnswer } from "./serverProcess.ts";

/** A delivery that was sent, and its answer. */
export interface Sent {
  readonly svixId: string;
  readonly clerkId: string;
  readonly version: number;
  readonly sentAtMs: number;
  readonly answer: TimedAnswer;
}

/** Deliveries without pause from several senders, until stopped. */
export interface Load {
  readonly sent: readonly Sent[];
  /** Resolves when every delivery under way has its answer. */
  readonly stop: () => Promise<void>;
}

let nth = 0;

/** Each sender sends one delivery after the other, for users of its own, to whichever server `pick` names. */
export function startLoad(
  pick: () => ServerProcess,
  { senders, pauseMs = 0 }: { senders: number; pauseMs?: number },
): Load {
  const sent: Sent[] = [];
  const stopping = new AbortController();
  async function sendOn(sender: number): Promise<void> {
    for (let version = 1; !stopping.signal.aborted; version += 1) {
      nth += 1;
      const svixId = `msg_load_${nth}`;
      const clerkId = `user_Load${sender}x${version % 50}`;
      const sentAtMs = Date.now();
      const event = userEvent(clerkUser(clerkId, { updated_at: startMs + version, first_name: `V${version}` }));
      const answer = await pick().deliver(event, { svixId });
      sent.push({ svixId, clerkId, version, sentAtMs, answer });
      // A sender whose connection is refused would otherwise spin.
      await Bun.sleep(answer.status === 200 ? pauseMs : Math.max(pauseMs, 50));
    }
  }
  const sending = Promise.all(Array.from({ length: senders }, (_, sender) => sendOn(sender)));
  return {
    sent,
    stop: async () => {
      stopping.abort();
      await sending;
    },
  };
}

/** Fails unless every delivery answered 200 is in the ledger, and each user's row is at least as new as its newest. */
export async function expectKept(sql: Sql, sent: readonly Sent[]): Promise<void> {
  const settled = sent.filter(({ answer }) => answer.status === 200);
  const ledger = await sql<{ svixId: string }[]>`select svix_id as "svixId" from webhook_events`;
  const kept = new Set(ledger.map((row) => row.svixId));
  expect(settled.filter(({ svixId }) => !kept.has(svixId)).map(({ svixId }) => svixId)).toEqual([]);
  const users = await sql<{ clerkId: string; name: string }[]>`select clerk_id as "clerkId", name from users`;
  const versionOf = new Map(users.map((row) => [row.clerkId, Number(/^V(\d+)/.exec(row.name)?.[1])]));
  const behind = settled.filter(({ clerkId, version }) => !((versionOf.get(clerkId) ?? -1) >= version));
  expect(behind.map(({ clerkId, version }) => `${clerkId} ${version}`)).toEqual([]);
}

/** Fails unless every answer came within 10 s and is 200, or 503 with `Retry-After`. */
export function expectAnswered(sent: readonly Sent[]): void {
  const isFine = ({ status, headers, ms }: TimedAnswer) =>
    ms < 10_000 && (status === 200 || (status === 503 && headers.get("retry-after") !== null));
  const bad = sent.filter(({ answer }) => !isFine(answer));
  expect(bad.map(({ answer }) => [answer.status, answer.said, Math.round(answer.ms)])).toEqual([]);
}
