import { join } from "node:path";

/** A start includes loading every module of a program on a busy machine. */
const startDeadlineMs = 30_000;
const stopDeadlineMs = 12_000;

/** A program of this folder in a process of its own that answers messages, one at a time. */
export interface IpcChild<Request, Answer> {
  readonly ask: (request: Request) => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

/** Starts `test/bench/<file>`; it has to send one message when it is ready, and one per message it gets. */
export async function startIpcChild<Request, Answer>(file: string): Promise<IpcChild<Request, Answer>> {
  let waiting = Promise.withResolvers<Answer>();
  const ready = waiting.promise;
  const child = Bun.spawn([process.execPath, "--no-install", join(import.meta.dir, "..", file)], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (message) => waiting.resolve(message as Answer),
    onExit: (_child, code, signal) => waiting.reject(new Error(`${file} ended: ${code ?? signal}`)),
  });
  await withDeadline(ready, startDeadlineMs, `${file} did not start`);
  return {
    ask: (request) => {
      waiting = Promise.withResolvers<Answer>();
      child.send(request);
      return waiting.promise;
    },
    stop: async () => {
      waiting.promise.catch(() => undefined);
      child.kill();
      await child.exited;
    },
  };
}

/** A server program that listens on `port`, with what it prints thrown away. */
export interface ServerChild {
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Starts a program and answers once something listens on `port`. @throws Error if it ends first */
export async function startServerChild(options: {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  port: number;
  /** Whether what it writes to standard error is worth seeing. */
  quiet: boolean;
}): Promise<ServerChild> {
  const child = Bun.spawn([...options.command], {
    env: { PATH: process.env["PATH"] ?? "", NODE_ENV: "production", ...options.env, PORT: String(options.port) },
    // A file that is no terminal, as under a process manager: log lines are made and written.
    stdio: ["ignore", Bun.file("/dev/null"), options.quiet ? "ignore" : "inherit"],
  });
  const deadlineMs = Date.now() + startDeadlineMs;
  while (!(await canConnect(options.port))) {
    if (child.exitCode !== null || Date.now() > deadlineMs) throw new Error(`${options.command.at(-1)} did not start`);
    await Bun.sleep(2);
  }
  return {
    url: `http://127.0.0.1:${options.port}`,
    pid: child.pid,
    stop: async () => {
      child.kill();
      const timer = setTimeout(() => child.kill("SIGKILL"), stopDeadlineMs);
      await child.exited;
      clearTimeout(timer);
    },
  };
}

async function canConnect(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    // Not listening yet; asked again.
    return false;
  }
}

async function withDeadline<T>(work: Promise<T>, ms: number, text: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(text)), ms);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
