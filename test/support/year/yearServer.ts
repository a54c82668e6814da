// `yearServer.ts FOLDER`: the server of the version in that folder, with a clock that the parent process moves. It sends
// `{url}` when it listens, and `{settled}` when the work that a move made due is done.
import { join } from "node:path";
import type * as Library from "../../../src/index.ts";
import type * as Logs from "../../../src/log.ts";

const folder = process.argv[2] ?? "";
const library = (await import(join(folder, "src/index.ts"))) as typeof Library;
const { silentLog: log } = (await import(join(folder, "src/log.ts"))) as typeof Logs;

/** Timers of at least this length follow the moved clock; shorter ones are deadlines and pauses of work in progress. */
const movedTimersMs = 60_000;
/** Timers up to this length are pauses of work in progress, longer ones are deadlines. */
const pausesMs = 1_000;

let offsetMs = Number(process.env["YEAR_OFFSET_MS"]);
let waiting: { readonly dueAtMs: number; readonly action: () => void }[] = [];
let inProgress = 0;

async function count<T>(work: Promise<T>): Promise<T> {
  inProgress += 1;
  return work.finally(() => {
    inProgress -= 1;
  });
}

// svix compares the timestamp of a delivery with this one.
const machineNow = Date.now;
Date.now = () => machineNow() + offsetMs;
const firstOffsetMs = offsetMs;
const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now() + offsetMs - firstOffsetMs,
  setTimer: (ms: number, action: () => void) => {
    if (ms >= movedTimersMs) {
      const timer = { dueAtMs: clock.nowMs() + ms, action };
      waiting.push(timer);
      return () => {
        waiting = waiting.filter((other) => other !== timer);
      };
    }
    const isPause = ms <= pausesMs;
    if (isPause) inProgress += 1;
    let isOver = false;
    const end = () => {
      if (isPause && !isOver) inProgress -= 1;
      isOver = true;
    };
    const timer = setTimeout(() => {
      end();
      action();
    }, ms);
    return () => {
      end();
      clearTimeout(timer);
    };
  },
};

const config = library.parseConfig(process.env);
const opened = library.openDatabase(config, { clock });
const database: typeof opened = {
  ...opened,
  run: (work, options) => count(opened.run(work, options)),
  callFunction: (name, argument, options) => count(opened.callFunction(name, argument, options)),
};
const clerk = library.createClerkApi({
  secretKey: config.clerkSecretKey ?? "",
  apiUrl: config.clerkApiUrl,
  log,
  fetch: (url, init) => count(fetch(url, init)),
  clock,
});
const parts = { config, database, clerk, clock };
const services = library.createServices(parts);
const app = library.createApp({ ...parts, services });
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (req, server) => app.fetch(req, server) });
const schedule = library.startSchedule({ ...parts, services });

/** Moves the clock as a suspended machine would: each timer that is due fires once. */
async function move(toOffsetMs: number): Promise<void> {
  offsetMs = toOffsetMs;
  const due = waiting.filter(({ dueAtMs }) => dueAtMs <= clock.nowMs()).sort((a, b) => a.dueAtMs - b.dueAtMs);
  waiting = waiting.filter((timer) => !due.includes(timer));
  for (const { action } of due) action();
  for (let quietTurns = 0; quietTurns < 5; quietTurns = inProgress > 0 ? 0 : quietTurns + 1) {
    await services.runs.whenIdle();
    await Bun.sleep(inProgress > 0 ? 2 : 0);
  }
  process.send?.({ settled: true });
}

process.on("message", (message: { offsetMs: number }) => void move(message.offsetMs));
process.on("SIGTERM", () => {
  void (async () => {
    await schedule.stop();
    await server.stop();
    await database.close();
    process.exit(0);
  })();
});
process.on("disconnect", () => process.exit(1));
process.send?.({ url: server.url.origin });
