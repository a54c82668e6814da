import cliProgress from "cli-progress";
import { parseConfig } from "../config.ts";
import { AppError } from "../errors.ts";
import { onStopSignal } from "../onStopSignal.ts";
import { toLines, type Output } from "../cli/output.ts";
import { bypassProxyOnLoopback } from "./bypassProxyOnLoopback.ts";
import type { ClerkEvent } from "./clerk/clerkEvents.ts";
import { createCourier, type Courier } from "./clerk/courier.ts";
import { developmentWebhookSecret } from "./clerk/developmentKeys.ts";
import { createTraffic } from "./clerk/simulatedTraffic.ts";

const usersMax = 100_000;
/** As many as Svix sends to one endpoint at a time in a burst. */
const concurrency = 32;
/** A delivery answered 503 is retried once, after a second. */
const attemptsMax = 2;
const retryScale = 0.2;
/** Share of deliveries that come twice: delivery is at least once. */
const duplicateShare = 0.1;
const lineEveryMs = 2_000;

/** Result of a simulation. Durations are from request to answer. */
interface Report {
  readonly url: string;
  readonly users: number;
  readonly events: number;
  readonly deliveries: number;
  /** Answers by outcome or error code. */
  readonly answers: Readonly<Record<string, number>>;
  /** Events that the server did not take. */
  readonly failed: number;
  readonly interrupted: boolean;
  readonly durationMs: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/**
 * Sends signed deliveries of made-up users to a running server: sign-ups, updates and deletions, shuffled, some twice.
 * They are signed with the secrets of the environment, else with the development one. Ctrl-C stops it.
 * @returns whether the server took every event
 * @throws AppError `bad_request`, ConfigError
 */
export async function runSimulation(
  options: { url: string; users: string; env: Record<string, string | undefined> },
  output: Output,
): Promise<boolean> {
  const users = parseUsers(options.users);
  const endpoint = parseEndpoint(options.url);
  const { clerkInstanceId, webhookSecrets } = parseConfig(options.env);
  bypassProxyOnLoopback(options.env);
  const runSeed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const instanceId = clerkInstanceId ?? "ins_simulated";
  const events = createTraffic({ users, runSeed, instanceId, nowMs: Date.now() });
  const answers = createTally();
  const courier = createCourier({
    url: endpoint,
    secrets: webhookSecrets.length > 0 ? webhookSecrets : [developmentWebhookSecret],
    seed: runSeed,
    concurrency,
    attemptsMax,
    retryScale,
    duplicateShare,
    onAttempt: answers.add,
  });
  const startedAt = performance.now();
  const { taken, interrupted } = await sendAll(courier, events, openProgress(output, events.length));
  const report: Report = {
    url: options.url,
    users,
    events: events.length,
    ...answers.summary(),
    failed: events.length - taken,
    interrupted,
    durationMs: Math.round(performance.now() - startedAt),
  };
  output.answer(report, toLines(report));
  if (report.failed > 0 && !interrupted) console.error(toAdvice(report.answers, endpoint));
  return report.failed === 0 && !interrupted;
}

/** Sends all events, or stops at Ctrl-C. Resolves with the number that the server accepted. */
async function sendAll(
  courier: Courier,
  events: readonly ClerkEvent[],
  progress: { show: (taken: number) => void; close: () => void },
): Promise<{ taken: number; interrupted: boolean }> {
  let taken = 0;
  let interrupted = false;
  const send = async (event: ClerkEvent) => {
    const { status } = await courier.send(event);
    const isTaken = status !== null && status >= 200 && status < 300;
    if (isTaken) progress.show(++taken);
    return isTaken;
  };
  const forgetSignals = onStopSignal(() => {
    interrupted = true;
    void courier.stop();
  });
  try {
    // Sends the first event alone, so that an absent server or a wrong secret is noticed before the rest is sent.
    const [first, ...rest] = events;
    if (first !== undefined && (await send(first))) await Promise.all(rest.map(send));
    await courier.idle();
  } catch (error) {
    if (!interrupted) throw error;
  } finally {
    progress.close();
    forgetSignals();
  }
  return { taken, interrupted };
}

function parseUsers(text: string): number {
  const users = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (users >= 1 && users <= usersMax) return users;
  throw new AppError("bad_request", `--users must be a whole number from 1 to ${usersMax}.`);
}

function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new AppError("bad_request", "--url must be the server's base address, such as http://localhost:3000.");
  }
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/api/webhooks/clerk`;
  return url.href;
}

function createTally() {
  const counts: Record<string, number> = {};
  const durationsMs: number[] = [];
  return {
    add: ({ status, said, durationMs }: { status: number | null; said: string; durationMs: number }) => {
      const answer = status === null ? "no answer" : said || `status ${status}`;
      counts[answer] = (counts[answer] ?? 0) + 1;
      if (status !== null) durationsMs.push(durationMs);
    },
    summary: () => {
      const sorted = durationsMs.sort((a, b) => a - b);
      const quantile = (share: number) => {
        const value = sorted[Math.floor(share * (sorted.length - 1))];
        return value === undefined ? null : Math.round(value);
      };
      const deliveries = Object.values(counts).reduce((sum, count) => sum + count, 0);
      return { deliveries, answers: counts, p50Ms: quantile(0.5), p95Ms: quantile(0.95) };
    },
  };
}

function openProgress(output: Output, total: number) {
  if (output.json) return { show: () => undefined, close: () => undefined };
  if (process.stdout.isTTY) {
    const bar = new cliProgress.SingleBar({
      format: "simulate [{bar}] {value} of {total} events taken, {eta_formatted} left",
      hideCursor: true,
    });
    bar.start(total, 0);
    return { show: (taken: number) => bar.update(taken), close: () => bar.stop() };
  }
  let saidAt = performance.now();
  const show = (taken: number) => {
    if (taken < total && performance.now() - saidAt < lineEveryMs) return;
    saidAt = performance.now();
    console.log(`simulate: ${taken} of ${total} events taken`);
  };
  return { show, close: () => undefined };
}

function toAdvice(answers: Readonly<Record<string, number>>, endpoint: string): string {
  if (answers["invalid_signature"]) {
    return "The server verifies with another secret: run this with its CLERK_WEBHOOK_SECRET in the environment.";
  }
  if (answers["no answer"]) return `Nothing answered at ${endpoint}: is the server running?`;
  return "The server did not take every event; see the answers above.";
}
