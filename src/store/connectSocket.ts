import { connect, isIP, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Dsn } from "./dsn.ts";

/** Below the 50 a second that are promised while the database is away. */
const attemptsPerSecondMax = 30;
/** `SSLRequest` of the Postgres protocol. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);

export interface SocketSource {
  /** For postgres.js' `socket` option: answers a connected socket, or one about to fail; never throws. */
  readonly open: () => Promise<Socket>;
  /** Destroys sockets that were written to and have been silent for this long: their peer is gone. */
  readonly destroySilent: (silentMs: number) => void;
  /** Connection attempts made so far. */
  readonly attempts: () => number;
}

/**
 * Connections for postgres.js, with three of its habits kept in check: it connects again without pause when the server
 * hangs up during start-up, it leaks a connection when its socket factory throws, and it never gives up on a peer
 * that has stopped answering.
 */
export function createSocketSource(dsn: Dsn): SocketSource {
  const openedAtMs: number[] = [];
  const silentSince = new Map<Socket, number | null>();
  let attempts = 0;

  async function openConnected(): Promise<Socket> {
    const nowMs = Date.now();
    while (openedAtMs[0] !== undefined && openedAtMs[0] <= nowMs - 1000) openedAtMs.shift();
    if (openedAtMs.length >= attemptsPerSecondMax) throw connectionError("too many connection attempts in a second");
    openedAtMs.push(nowMs);
    attempts += 1;
    const socket = await openTcp(dsn);
    return dsn.tls === "off" ? socket : startTls(socket, dsn);
  }

  function watch(socket: Socket): Socket {
    silentSince.set(socket, null);
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = (...args: unknown[]) => {
      if (silentSince.get(socket) === null) silentSince.set(socket, Date.now());
      return write(...args);
    };
    socket.on("data", () => silentSince.set(socket, null));
    socket.on("close", () => silentSince.delete(socket));
    // A hang-up is an error to those who wait; without one, postgres.js connects again at once and for ever.
    socket.on("end", () => socket.destroy(connectionError("the server closed the connection")));
    return socket;
  }

  return {
    attempts: () => attempts,
    open: async () => {
      try {
        return watch(await openConnected());
      } catch (cause) {
        const failed = new Socket();
        setImmediate(() => failed.destroy(cause instanceof Error ? cause : connectionError("failed")));
        return failed;
      }
    },
    destroySilent: (silentMs) => {
      for (const [socket, sinceMs] of silentSince) {
        if (sinceMs !== null && Date.now() - sinceMs >= silentMs) {
          silentSince.delete(socket);
          socket.destroy(connectionError("the server stopped answering"));
        }
      }
    },
  };
}

function openTcp(dsn: Dsn): Promise<Socket> {
  const socket = connect({ host: dsn.host, port: dsn.port, noDelay: true, keepAlive: true });
  return settle(socket, "connect", dsn.connectTimeoutSeconds * 1000);
}

async function startTls(socket: Socket, dsn: Dsn): Promise<Socket> {
  const timeoutMs = dsn.connectTimeoutSeconds * 1000;
  let answer: number | undefined;
  socket.once("data", (data: Buffer) => (answer = data[0]));
  socket.write(sslRequest);
  await settle(socket, "data", timeoutMs);
  if (answer !== 0x53) {
    if (dsn.tls === "if-offered") return socket;
    socket.destroy();
    throw connectionError("the server offers no TLS");
  }
  const secure = connectTls({
    socket,
    ...(isIP(dsn.host) === 0 ? { servername: dsn.host } : {}),
    rejectUnauthorized: dsn.tls === "verified",
  });
  return settle(secure, "secureConnect", timeoutMs);
}

/** The socket once it emits `event`; rejects and destroys it on an error, a close or after `timeoutMs`. */
function settle<S extends Socket>(socket: S, event: string, timeoutMs: number): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  const onEvent = () => resolve(socket);
  const onClose = () => reject(connectionError("the connection was closed while it was being made"));
  const timer = setTimeout(() => {
    reject(connectionError("connecting took too long"));
    socket.destroy();
  }, timeoutMs);
  socket.once(event, onEvent).once("error", reject).once("close", onClose);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.off(event, onEvent).off("error", reject).off("close", onClose);
  });
}

function connectionError(text: string): Error {
  return Object.assign(new Error(`Postgres: ${text}`), { code: "CONNECTION_FAILED" });
}
