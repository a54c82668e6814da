import { spawn } from "node:child_process";
import { join } from "node:path";
import { signDelivery, testAdminToken, testSecret, type DeliveryOptions } from "./testApp.ts";

/** The server in a process of its own, as `bun run start` runs it. */
export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  /** Log lines so far, oldest first. */
  readonly logs: readonly LogLine[];
  /** All of standard output and standard error so far. */
  readonly output: () => string;
  /** Signs and posts. */
  readonly deliver: (event: unknown, options?: DeliveryOptions) => Promise<TimedAnswer>;
  readonly get: (path: string) => Promise<TimedAnswer>;
  readonly signal: (name: NodeJS.Signals) => void;
  /** Resolves when the process is gone, with its exit code; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Ends it at once, if it still runs. */
  readonly close: () => Promise<void>;
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** An answer, or why there was none: status 0. */
export interface TimedAnswer {
  readonly status: number;
  /** The outcome, or the error's code, or what the connection failed with. */
  readonly said: string;
  readonly headers: Headers;
  readonly body: string;
  readonly ms: number;
}

const bootDeadlineMs = 20_000;
/** Longer than any promised answer; a request that takes longer counts as not answered. */
const answerDeadlineMs = 20_000;

/** Starts the server and waits until it listens. `env` goes beside a configuration that is enough to boot. */
export async function startServerProcess(options: {
  databaseUrl: string;
  env?: Readonly<Record<string, string>>;
  /** Where the sources of another version are; default: those of this one. */
  folder?: string | undefined;
  /** A build of the program instead of its sources, and where it is started. */
  executable?: { readonly path: string; readonly args?: readonly string[]; readonly cwd: string };
  /** Its standard output, which then says nothing here, and the port that it cannot tell. */
  silent?: { readonly stdout: number; readonly port: number };
}): Promise<ServerProcess> {
  const { folder = join(import.meta.dir, "../..") } = options;
  const { path, cwd } = options.executable ?? { path: process.execPath, cwd: folder };
  const args = options.executable
    ? (options.executable.args ?? [])
    : ["--no-install", "--no-env-file", join(folder, "src/main.ts")];
  const child = spawn(path, args, {
    cwd,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: process.env["HOME"] ?? "",
      DATABASE_URL: options.databaseUrl,
      CLERK_WEBHOOK_SECRET: testSecret,
      ADMIN_API_TOKEN: testAdminToken,
      RECONCILE_EVERY_MINUTES: "0",
      LOG_FORMAT: "json",
      // Its own choice, which it logs: of two that are told the same port, one would pass for the other.
      PORT: String(options.silent?.port ?? 0),
      HOST: "127.0.0.1",
      ...options.env,
    },
    stdio: ["ignore", options.silent?.stdout ?? "pipe", "pipe"],
  });
  const { logs, output } = collect(child);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const allSaid = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  void ended.then(() => process.off("exit", kill));
  const findUrl = async () => {
    if (!options.silent) return /Listening on (http:\S+?:\d+)\D/.exec(output())?.[1];
    const silentUrl = `http://127.0.0.1:${options.silent.port}`;
    return (await ask(`${silentUrl}/healthz`, {})).status === 200 ? silentUrl : undefined;
  };
  let url: string;
  try {
    await waitFor(async () => child.exitCode !== null || (await findUrl()) !== undefined, {
      deadlineMs: bootDeadlineMs,
      what: () => `the server to listen; it said: ${output()}`,
    });
    if (child.exitCode !== null) {
      await allSaid;
      throw new Error(`The server ended with ${child.exitCode}: ${output()}`);
    }
    url = (await findUrl()) ?? "";
  } catch (error) {
    kill();
    throw error;
  }
  return {
    url,
    pid: child.pid ?? 0,
    logs,
    output,
    deliver: (event, delivery) => {
      const body = typeof event === "string" ? event : JSON.stringify(event);
      return ask(`${url}/api/webhooks/clerk`, { method: "POST", body, headers: signDelivery(body, delivery) });
    },
    get: (path) => ask(`${url}${path}`, {}),
    signal: (name) => void child.kill(name),
    ended,
    close: async () => {
      kill();
      await ended;
    },
  };
}

function collect(child: ReturnType<typeof spawn>): { logs: LogLine[]; output: () => string } {
  const logs: LogLine[] = [];
  let output = "";
  let rest = "";
  child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) logs.push(JSON.parse(line) as LogLine);
  });
  return { logs, output: () => output };
}

/** One request, measured. */
async function ask(url: string, init: RequestInit): Promise<TimedAnswer> {
  const startedAtMs = performance.now();
  try {
    const res = await fetch(url, { ...init, signal: AbortSignal.timeout(answerDeadlineMs) });
    const body = await res.text();
    return {
      status: res.status,
      said: toSaid(body),
      headers: res.headers,
      body,
      ms: performance.now() - startedAtMs,
    };
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    return {
      status: 0,
      said: code ?? name,
      headers: new Headers(),
      body: "",
      ms: performance.now() - startedAtMs,
    };
  }
}

function toSaid(body: string): string {
  try {
    const answer = JSON.parse(body) as { outcome?: string; error?: { code: string } };
    return answer.outcome ?? answer.error?.code ?? "";
  } catch {
    return body;
  }
}

/** Polls until `isTrue`; fails at the deadline saying what it waited for. */
export async function waitFor(
  isTrue: () => boolean | Promise<boolean>,
  { deadlineMs, what, everyMs = 20 }: { deadlineMs: number; what: string | (() => string); everyMs?: number },
): Promise<void> {
  const deadlineAtMs = Date.now() + deadlineMs;
  while (!(await isTrue())) {
    if (Date.now() > deadlineAtMs) {
      throw new Error(`Waited ${deadlineMs} ms for ${typeof what === "string" ? what : what()}`);
    }
    await Bun.sleep(everyMs);
  }
}
