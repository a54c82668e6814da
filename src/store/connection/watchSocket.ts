import type { Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { createStartUpReader } from "./startUp.ts";

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
/** The protocol version that a start-up message names after its length. */
const protocolVersion = 0x0003_0000;

/**
 * What postgres.js 3.4.9 needs in order to survive the end of a connection. If `close` reaches it between taking a
 * statement and writing it, one tick later, it keeps the unsent bytes and the mark that a write is under way: on its
 * next socket it then writes nothing, or the old bytes before the start-up message. So
 * - `error` and `close` are held back for a tick, in which what waits is written; an idle connection, which a statement
 *   may be given at any time, learns of its end by the next write, and that statement fails with `neverSentCode`;
 * - a socket on which no start-up message comes first is of no use and ended, until the bytes have run out;
 * - `close` comes some ticks after `error`: a transaction that failed with its connection still sends its rollback, which
 *   with no socket would end the process;
 * - an `ErrorResponse` during start-up is not handed on, and ends the socket with a `StartUpError`: after a statement that
 *   failed with its connection, postgres.js takes it for an answer to that statement and forgets it.
 *
 * Reports at github.com/porsager/postgres, all open in November 2026: #1209 (a write after the end of its connection,
 * for #1208), #1193 with the fix proposed in #1214 (a clean end during start-up: the statement is never settled and
 * reconnects have no pause), #1186 (statements of a transaction never settled after their connection ended), #1089 (a
 * peer that no longer answers: a statement waits for ever). This file can go when a release fixes all of them; the
 * tests in `test/faults/connections.test.ts` then pass without it.
 */
export function watchSocket(socket: Socket, clock: Clock): SocketWatch {
  let state: "starting" | "idle" | "in-transaction" | "answer-due" | "ended" = "starting";
  let dueSinceMs = clock.nowMs();
  let heardAtMs = clock.nowMs();
  let held: [event: string, ...args: unknown[]][] | null = null;
  const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean;
  const take = createStartUpReader(
    (bytes) => emit("data", bytes),
    (error) => socket.destroy(error),
  );
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  const end = socket.end.bind(socket) as (...args: unknown[]) => Socket;

  function release(error?: Error): void {
    if (state === "ended") return;
    state = "ended";
    const events = held ?? [];
    if (error) emit("error", error);
    for (const event of events) if (!error && event[0] === "error") emit(...event);
    afterTicks(3, () => {
      held = null;
      for (const event of events) if (event[0] === "close") emit(...event);
    });
  }

  const shielded = {
    emit: (event: string, ...args: unknown[]) => {
      if (event === "data") return take(args[0] as Buffer);
      if ((event !== "error" && event !== "close") || state === "ended") return emit(event, ...args);
      if (held === null && state !== "idle") setImmediate(release);
      held = [...(held ?? []), [event, ...args]];
      return true;
    },
    write: (chunk: Buffer, ...args: unknown[]) => {
      if (held !== null) {
        if (state === "idle") queueMicrotask(() => release(neverSent()));
        if (state === "ended") queueMicrotask(() => emit("error", neverSent()));
        return true;
      }
      if (state === "starting" && (chunk.length < 8 || chunk.readUInt32BE(4) !== protocolVersion)) {
        socket.destroy(neverSent());
        return true;
      }
      state = "answer-due";
      dueSinceMs = clock.nowMs();
      return write(chunk, ...args);
    },
    end: (...args: unknown[]) => {
      if (held === null) state = "ended";
      if (held === null) return end(...args);
      return (queueMicrotask(release), socket);
    },
    // postgres.js ends only what is open; until it knows of the end, this is.
    get readyState() {
      return socket.destroyed && held === null ? "closed" : "open";
    },
  };
  replaceMembers(socket, shielded);
  socket.on("data", (data: Buffer) => {
    heardAtMs = clock.nowMs();
    // What comes unasked (a notice, the announcement of a shutdown) does not end so.
    if (data.subarray(-6, -1).equals(readyForQuery)) state = data.at(-1) === idleByte ? "idle" : "in-transaction";
  });
  afterTicks(3, () => {
    if (state === "starting" && !socket.destroyed) socket.destroy(neverSent());
  });
  return {
    destroyIfSuspect: ({ silentMs, sinceMs, error }) => {
      const silenceMs = clock.nowMs() - Math.max(dueSinceMs, heardAtMs);
      if ((state === "answer-due" && silenceMs >= silentMs) || (state === "idle" && heardAtMs <= sinceMs))
        socket.destroy(error);
    },
  };
}

function replaceMembers(
  socket: Socket,
  members: Pick<Socket, "readyState"> & Record<"emit" | "write" | "end", unknown>,
): void {
  for (const name of ["emit", "write", "end", "readyState"] as const) {
    // A socket whose peer has ended replaces its own `write`; here that is left without effect.
    Object.defineProperty(socket, name, { get: () => members[name], set() {} });
  }
}

/** The first write is due in the tick after a socket is handed over. */
function afterTicks(ticks: number, action: () => void): void {
  setImmediate(() => (ticks > 1 ? afterTicks(ticks - 1, action) : action()));
}

function neverSent(): Error {
  return Object.assign(new Error("Postgres: the connection ended before anything was sent"), { code: neverSentCode });
}
