import type { Socket } from "node:net";

/** The code of the error that a statement gets whose connection had ended before anything was sent. */
export const neverSentCode = "CONNECTION_NEVER_SENT";

/** What is known of the peer of a socket. */
export interface SocketWatch {
  /**
   * Destroys the socket with `error` if the peer may be gone: an answer has been due for `silentMs`, or the connection
   * is idle and the peer has not been heard since `sinceMs` (epoch milliseconds).
   */
  readonly destroyIfSuspect: (suspicion: { silentMs: number; sinceMs: number; error: Error }) => void;
}

/** `ReadyForQuery`, how an answer ends, up to its last byte. */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5]);
const idleByte = 0x49;

/**
 * What postgres.js 3.4.9 needs in order to survive the end of a connection. If `close` reaches it between taking a
 * statement and writing it, one tick later, it keeps the unsent bytes and the mark that a write is under way: it never
 * writes on that connection again, and every later use of it hangs. So `error` and `close` are held back until nothing
 * can be waiting to be written. While an answer is due nothing is; after a part of an answer a tick is enough; an idle
 * connection learns of its end by the next write, and that statement fails with `neverSentCode`.
 */
export function watchSocket(socket: Socket): SocketWatch {
  let state: "idle" | "in-transaction" | "answer-due" | "answering" = "answering";
  let changedAtMs = Date.now();
  let heardAtMs = Date.now();
  let held: [event: string, ...args: unknown[]][] | null = null;
  const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  const end = socket.end.bind(socket) as (...args: unknown[]) => Socket;

  function release(error?: Error): void {
    const events = held ?? [];
    held = null;
    state = "answer-due";
    if (error) emit("error", error);
    for (const event of events) if (!(error && event[0] === "error")) emit(...event);
  }

  const shielded = {
    emit: (event: string, ...args: unknown[]) => {
      if ((event !== "error" && event !== "close") || (held === null && state === "answer-due")) {
        return emit(event, ...args);
      }
      if (held === null && state === "answering") setImmediate(release);
      held = [...(held ?? []), [event, ...args]];
      return true;
    },
    write: (...args: unknown[]) => {
      if (held === null) {
        state = "answer-due";
        changedAtMs = Date.now();
        return write(...args);
      }
      if (state === "idle") queueMicrotask(() => release(neverSent()));
      else if (state === "in-transaction") queueMicrotask(release);
      return true;
    },
    end: (...args: unknown[]) => {
      if (held !== null) queueMicrotask(release);
      state = "answer-due";
      return held === null ? end(...args) : socket;
    },
  };
  Object.assign(socket, shielded);
  // postgres.js ends only what is open; until it knows of the end, this is.
  Object.defineProperty(socket, "readyState", { get: () => (socket.destroyed && held === null ? "closed" : "open") });
  socket.on("data", (data: Buffer) => {
    heardAtMs = Date.now();
    const isReady = data.subarray(-6, -1).equals(readyForQuery);
    if (isReady) state = data.at(-1) === idleByte ? "idle" : "in-transaction";
    // What comes unasked (a notice, the announcement of a shutdown) is no part of an answer.
    else if (state === "answer-due") state = "answering";
  });
  return {
    destroyIfSuspect: ({ silentMs, sinceMs, error }) => {
      if (state === "in-transaction") return;
      const silentSinceMs = Math.max(changedAtMs, heardAtMs);
      if (state === "idle" ? heardAtMs < sinceMs : Date.now() - silentSinceMs >= silentMs) socket.destroy(error);
    },
  };
}

function neverSent(): Error {
  return Object.assign(new Error("Postgres: the connection had ended while it was idle"), { code: neverSentCode });
}
