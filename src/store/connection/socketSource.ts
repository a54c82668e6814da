import { connect, isIP, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { sleep, type Clock } from "../../clock.ts";
import type { Dsn } from "./dsn.ts";
import { watchSocket, type SocketWatch } from "./watchSocket.ts";

/** Below the promised limit of 50 connection attempts per second while the database is unavailable. */
const attemptsPerSecondMax = 30;
/** `SSLRequest` of the Postgres protocol. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);

/** Opens the sockets of a pool. */
export interface SocketSource {
  /** For postgres.js' `socket` option: resolves with a connected socket, or one about to fail; never throws. */
  readonly open: () => Promise<Socket>;
  /**
   * Call it when a call that began at `sinceMs` (epoch milliseconds) has timed out. Destroys sockets whose answer is overdue
   * by `silentMs`, sockets still connecting after `silentMs`, and idle sockets without data since `sinceMs`; `Infinity` for
   * both: all idle sockets.
   */
  readonly destroySuspects: (call: { silentMs: number; sinceMs: number }) => void;
  /** Number of connection attempts so far. */
  readonly attempts: () => number;
}

/**
 * Works around defects of postgres.js: it reconnects without pause when the server hangs up during start-up, leaks a
 * connection when its socket factory throws, and waits for ever for a peer that has stopped answering. See also
 * `watchSocket`.
 */
export function createSocketSource(dsn: Dsn, clock: Clock): SocketSource {
  const openedAtMs: number[] = [];
  const opening = new Map<Socket, number>();
  const watches = new Set<SocketWatch>();
  let attempts = 0;

  /** Enforces `attemptsPerSecondMax` by waiting. */
  async function waitForTurn(): Promise<void> {
    for (;;) {
      const oldestMs = openedAtMs[0];
      if (oldestMs === undefined || openedAtMs.length < attemptsPerSecondMax) return;
      const waitMs = oldestMs + 1000 - clock.nowMs();
      if (waitMs <= 0) openedAtMs.shift();
      else await sleep(clock, waitMs);
    }
  }

  async function openConnected(): Promise<Socket> {
    await waitForTurn();
    const nowMs = clock.nowMs();
    openedAtMs.push(nowMs);
    attempts += 1;
    const socket = connect({
      ...(dsn.host.startsWith("/") ? { path: `${dsn.host}/.s.PGSQL.${dsn.port}` } : { host: dsn.host, port: dsn.port }),
      noDelay: true,
      keepAlive: true,
    });
    opening.set(socket, nowMs);
    try {
      await waitForEvent(socket, "connect", { clock, timeoutMs: dsn.connectTimeoutSeconds * 1000 });
      return dsn.tls === "off" ? socket : await startTls(socket, dsn, clock);
    } finally {
      opening.delete(socket);
    }
  }

  function watch(socket: Socket): Socket {
    const one = watchSocket(socket, clock);
    watches.add(one);
    socket.on("close", () => watches.delete(one));
    // Without an error, postgres.js reconnects at once and for ever instead of failing the statement.
    socket.on("end", () => socket.destroy(connectionError("the server closed the connection")));
    return socket;
  }

  return {
    attempts: () => attempts,
    open: async () => {
      try {
        return watch(await openConnected());
      } catch (cause) {
        const failed = watch(new Socket());
        setImmediate(() => failed.destroy(cause instanceof Error ? cause : connectionError("failed")));
        return failed;
      }
    },
    destroySuspects: ({ silentMs, sinceMs }) => {
      const error = connectionError("the server stopped answering");
      for (const one of watches) one.destroyIfSuspect({ silentMs, sinceMs, error });
      for (const [socket, startedAtMs] of opening) if (clock.nowMs() - startedAtMs >= silentMs) socket.destroy(error);
    },
  };
}

async function startTls(socket: Socket, dsn: Dsn, clock: Clock): Promise<Socket> {
  const limit = { clock, timeoutMs: dsn.connectTimeoutSeconds * 1000 };
  let answer: Buffer | undefined;
  socket.once("data", (data: Buffer) => (answer = data));
  socket.write(sslRequest);
  await waitForEvent(socket, "data", limit);
  if (answer?.[0] !== 0x53 || answer.length !== 1) {
    if (dsn.tls === "if-offered" && answer?.[0] === 0x4e) return socket;
    socket.destroy();
    // More than one byte: a man in the middle may have injected plain bytes to be read as encrypted ones.
    throw connectionError(
      answer?.[0] === 0x53 ? "the answer to SSLRequest has extra bytes" : "the server offers no TLS",
    );
  }
  const secure = connectTls({
    socket,
    host: dsn.host,
    ...(isIP(dsn.host) === 0 ? { servername: dsn.host } : {}),
    rejectUnauthorized: dsn.tls === "verified",
  });
  return waitForEvent(secure, "secureConnect", limit);
}

/** The socket once it emits `event`; rejects and destroys it on an error, a close or after `timeoutMs`. */
function waitForEvent<S extends Socket>(
  socket: S,
  event: string,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  const onEvent = () => resolve(socket);
  const onClose = () => reject(connectionError("the connection was closed while it was being made"));
  const cancelTimer = clock.setTimer(timeoutMs, () => {
    reject(connectionError("connecting took too long"));
    socket.destroy();
  });
  socket.once(event, onEvent).once("error", reject).once("close", onClose);
  return promise.finally(() => {
    cancelTimer();
    socket.off(event, onEvent).off("error", reject).off("close", onClose);
  });
}

function connectionError(text: string): Error {
  return Object.assign(new Error(`Postgres: ${text}`), { code: "CONNECTION_FAILED" });
}
