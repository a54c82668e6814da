// The program as a Neon Function (`bun run build:function`): it opens no socket, no work depends on timers, and it has 5 s
// after SIGINT. https://neon.com/docs/compute/functions/reference/runtime-limits
import { setTimeout as sleep } from "node:timers/promises";
import { createApp, createDueWork } from "./compose.ts";
import { ConfigError, parseConfig, type StartConfig } from "./config.ts";
import { AppError } from "./errors.ts";
import { toErrorResponse } from "./http/errorResponse.ts";
import { withLingeringBody } from "./http/lingeringBody.ts";
import { createServerLog } from "./log.ts";
import { onStopSignal } from "./onStopSignal.ts";
import { openProgram } from "./program.ts";
import { startRehearsal, type BackgroundRehearsal } from "./service/startRehearsal.ts";

/** Requests in flight are answered within this time, with 503 at its end; the rest of the 5 s is for closing. */
const answerMs = 3_000;
/** Time for the runtime to write the last answers. */
const flushAnswersMs = 250;

/** Limit of every route. */
const bodyBytesMax = 1024 * 1024;

type Fetch = (req: Request) => Response | Promise<Response>;

async function open(): Promise<Fetch> {
  let config: StartConfig;
  try {
    config = parseConfig(process.env, { mode: "start" });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // An exit here would restart the function again and again, without a message to the caller.
    const { message } = error;
    console.error(message);
    return () => toErrorResponse(new AppError("unavailable", message));
  }
  const { log, droppedLines, flush } = await createServerLog({ level: config.logLevel, format: config.logFormat });
  const program = openProgram(config, log, { droppedLogLines: droppedLines });
  const dueWork = createDueWork(program);
  const cutShort = new Set<(res: Response) => void>();
  let isDraining = false;
  let rehearsal: BackgroundRehearsal | undefined;
  const app = createApp({
    ...program,
    dueWork,
    isDraining: () => isDraining,
    // Rehearses at the first readiness request: a function starts often, and a rehearsal delays deliveries.
    onReadinessAsked: () => {
      rehearsal ??= startRehearsal({ ...program, defaultTurma: config.defaultTurma });
    },
    findRehearsal: () => rehearsal?.findReport(),
  });

  async function stop(): Promise<void> {
    isDraining = true;
    rehearsal?.stop();
    dueWork.stop();
    const endsAtMs = Date.now() + answerMs;
    // Releases this process's runs, which the next trigger resumes, while deliveries are still answered.
    const runsEnded = program.services.runs.close();
    while (cutShort.size > 0 && Date.now() < endsAtMs) await sleep(10);
    for (const answer of cutShort) answer(toErrorResponse(new AppError("unavailable", "This copy is shutting down.")));
    await Promise.all([sleep(flushAnswersMs), Promise.race([runsEnded, sleep(Math.max(0, endsAtMs - Date.now()))])]);
    await program.close();
    log.info("[Function] Stopped");
  }

  onStopSignal((signal) => {
    log.info({ signal }, "[Function] Stopping; what is in flight is answered first");
    stop().then(
      () => flush(() => process.exit(0)),
      (error: unknown) => {
        log.error({ err: error }, "[Function] Stopping failed; the process exits with 1");
        flush(() => process.exit(1));
      },
    );
  });
  return async (req) => {
    const ending = Promise.withResolvers<Response>();
    cutShort.add(ending.resolve);
    const lingering = withLingeringBody(req, bodyBytesMax);
    try {
      return await Promise.race([app.fetch(lingering), ending.promise]);
    } finally {
      cutShort.delete(ending.resolve);
      // `cancel` rejects if the sender has closed the connection: nothing is left to cancel.
      if (lingering !== req && !lingering.bodyUsed) lingering.body?.cancel().catch(() => undefined);
    }
  };
}

export default { fetch: await open() };
