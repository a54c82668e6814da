import type { Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { createStartUpReader } from "./startUp.ts";

/** Code of the error for a statement whose connection ended before anything was sent. */
export const neverSentCode = "CONNECTION_NEVER_SENT";

/** Handle of a watched socket. */
export interface SocketWatch {
  /**
   * Destroys the socket with `error` if its peer may be gone: an answer is overdue by `silentMs`, or the connection is
   * idle without data since `sinceMs` (epoch milliseconds).
   */
  readonly destroyIfSuspect: (suspicion: { silentMs: number; sinceMs: number; error: Error }) => void;
}

/** `ReadyForQuery`, the end of every answer, without its last byte (the transaction status). */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5]);
const idleByte = 0x49;
/** Protocol version in a start-up message, after its length. */
const protocolVersion = 0x0003_0000;

/**
 * Workaround for a defect of postgres.js 3.4.9. If it receives `close` after it has accepted a statement and before it
 * writes it one tick later, it keeps the unsent bytes and its flag for a pending write: on its next socket it writes
 * nothing, or the old bytes before the start-up message. Therefore:
 * - `error` and `close` are delayed by a tick, in which the pending write is done; an idle connection, which may be
 *   given a statement at any time, reports its end at the next write, and that statement fails with `neverSentCode`;
 * - a socket whose first write is not a start-up message is destroyed, until the old bytes are used up;
 * - `close` follows `error` by some ticks: a transaction that failed with its connection still sends its rollback, and
 *   without a socket that ends the process; another `error` directly before `close` fails what was accepted meanwhile;
 * - an `ErrorResponse` during start-up destroys the socket with a `StartUpError` instead of being passed on: postgres.js
 *   would take it for the answer to a statement that has already failed, and drop it.
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
  let lastDataAtMs = clock.nowMs();
  let heldEvents: [event: string, ...args: unknown[]][] | null = null;
  const emit = emitErrorBeforeClose(socket);
  const readChunk = createStartUpReader(
    (bytes) => emit("data", bytes),
    (error) => socket.destroy(error),
  );
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  const end = socket.end.bind(socket) as (...args: unknown[]) => Socket;

  function release(error?: Error): void {
    if (state === "ended") return;
    state = "ended";
    const events = heldEvents ?? [];
    if (error) emit("error", error);
    for (const event of events) if (!error && event[0] === "error") emit(...event);
    afterTicks(3, () => {
      heldEvents = null;
      for (const event of events) if (event[0] === "close") emit(...event);
    });
  }

  const replacements = {
    emit: (event: string, ...args: unknown[]) => {
      if (event === "data") return readChunk(args[0] as Buffer);
      if ((event !== "error" && event !== "close") || state === "ended") return emit(event, ...args);
      if (heldEvents === null && state !== "idle") setImmediate(release);
      heldEvents = [...(heldEvents ?? []), [event, ...args]];
      return true;
    },
    write: (chunk: Buffer, ...args: unknown[]) => {
      if (heldEvents !== null) {
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
      if (heldEvents === null) state = "ended";
      if (heldEvents === null) return end(...args);
      return (queueMicrotask(release), socket);
    },
    // postgres.js ends only open sockets: this one reports `open` until its end has been emitted.
    get readyState() {
      return socket.destroyed && heldEvents === null ? "closed" : "open";
    },
  };
  replaceMembers(socket, replacements);
  socket.on("data", (data: Buffer) => {
    lastDataAtMs = clock.nowMs();
    // Messages without a request (a notice, a shutdown announcement) do not end with ReadyForQuery.
    if (data.subarray(-6, -1).equals(readyForQuery)) state = data.at(-1) === idleByte ? "idle" : "in-transaction";
  });
  afterTicks(3, () => {
    if (state === "starting" && !socket.destroyed) socket.destroy(neverSent());
  });
  return {
    destroyIfSuspect: ({ silentMs, sinceMs, error }) => {
      const silenceMs = clock.nowMs() - Math.max(dueSinceMs, lastDataAtMs);
      if ((state === "answer-due" && silenceMs >= silentMs) || (state === "idle" && lastDataAtMs <= sinceMs))
        socket.destroy(error);
    },
  };
}

/** The error is for the statements that postgres.js has accepted since the first one: it would forget them. */
function emitErrorBeforeClose(socket: Socket): (event: string, ...args: unknown[]) => boolean {
  const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean;
  return (event, ...args) => {
    if (event === "close") emit("error", neverSent());
    return emit(event, ...args);
  };
}

function replaceMembers(
  socket: Socket,
  members: Pick<Socket, "readyState"> & Record<"emit" | "write" | "end", unknown>,
): void {
  for (const name of ["emit", "write", "end", "readyState"] as const) {
    // Node replaces `write` of a socket whose peer has ended; the setter ignores that.
    Object.defineProperty(socket, name, { get: () => members[name], set() {} });
  }
}

/** postgres.js writes first in the tick after it got the socket. */
function afterTicks(ticks: number, action: () => void): void {
  setImmediate(() => (ticks > 1 ? afterTicks(ticks - 1, action) : action()));
}

function neverSent(): Error {
  return Object.assign(new Error("Postgres: the connection ended before anything was sent"), { code: neverSentCode });
}
