// Sends signed deliveries, a given number at once, and measures the answers. A process of its own with bare sockets:
// everything is signed beforehand, so that it costs a few microseconds per delivery and is never what is measured.
import type { Socket } from "bun";
import { signHeaders, toDelivery } from "./lib/deliveries.ts";

export interface LoadRequest {
  readonly url: string;
  readonly atOnce: number;
  /** After this no further delivery is begun; those under way are waited for. */
  readonly durationMs: number;
  /** At most so many deliveries are sent; they are signed before the first one goes out. */
  readonly deliveriesMax: number;
  /** Of the first delivery, see `toDelivery`. */
  readonly firstPlace: number;
  readonly stored: number;
  /** Begin again with the first delivery when all were sent, for a server that stores nothing. */
  readonly repeat: boolean;
}

export interface LoadResult {
  /** Deliveries begun; all of them were answered. */
  readonly sent: number;
  /** Places answered something other than 200, or not at all. */
  readonly failed: number[];
  /** Until the last answer, so that a server whose answers all come at once is not cut off between two waves. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A whole answer that no server here needs longer for. */
const answerDeadlineMs = 30_000;

interface Connection {
  startedAt: number;
  place: number;
  received: string;
}

async function run(request: LoadRequest): Promise<LoadResult> {
  const { hostname, port } = new URL(request.url);
  const requests = Array.from({ length: request.deliveriesMax }, (_, i) =>
    toHttpRequest(request.firstPlace + i, request.stored, `${hostname}:${port}`),
  );
  const latenciesMs: number[] = [];
  const failed: number[] = [];
  const ended = Promise.withResolvers<void>();
  let sent = 0;
  let open = request.atOnce;
  let endsAt = Infinity;
  let lastAnswerAt = 0;

  function next(socket: Socket<Connection>): void {
    const connection = socket.data;
    const bytes = requests[request.repeat ? sent % requests.length : sent];
    connection.startedAt = performance.now();
    if (bytes === undefined || connection.startedAt >= endsAt) {
      socket.end();
      return;
    }
    connection.place = request.firstPlace + sent;
    sent += 1;
    // A request is smaller than a fresh socket's send buffer, and there is never more than one.
    if (socket.write(bytes) !== bytes.length) throw new Error("a request did not fit into the socket");
  }

  function onAnswer(socket: Socket<Connection>, ok: boolean): void {
    lastAnswerAt = performance.now();
    latenciesMs.push(lastAnswerAt - socket.data.startedAt);
    if (!ok) failed.push(socket.data.place);
    socket.data.place = -1;
  }

  const sockets = await Promise.all(
    Array.from({ length: request.atOnce }, () =>
      Bun.connect<Connection>({
        hostname,
        port: Number(port),
        data: { startedAt: 0, place: -1, received: "" },
        socket: {
          data: (socket, bytes) => {
            socket.data.received += bytes.toString("latin1");
            const status = takeStatus(socket.data);
            if (status === undefined) return;
            onAnswer(socket, status === 200);
            next(socket);
          },
          close: (socket) => {
            if (socket.data.place >= 0) onAnswer(socket, false);
            open -= 1;
            if (open === 0) ended.resolve();
          },
        },
      }),
    ),
  );
  const beganAt = performance.now();
  endsAt = beganAt + request.durationMs;
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.terminate();
  }, request.durationMs + answerDeadlineMs);
  for (const socket of sockets) {
    socket.setNoDelay(true);
    next(socket);
  }
  await ended.promise;
  clearTimeout(timer);
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  const perSecond = (sent / (lastAnswerAt - beganAt)) * 1000;
  return { sent, failed, perSecond, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** The status of a whole answer with a declared length, which is taken off the front. */
function takeStatus(connection: Connection): number | undefined {
  const text = connection.received;
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const length = Number(/content-length: *(\d+)/i.exec(text)?.[1]);
  if (!Number.isInteger(length)) throw new Error(`an answer without a length: ${text.slice(0, 200)}`);
  if (text.length < headEnd + 4 + length) return undefined;
  connection.received = text.slice(headEnd + 4 + length);
  return Number(text.slice(9, 12));
}

function toHttpRequest(place: number, stored: number, host: string): Buffer {
  const { svixId, body } = toDelivery(place, stored);
  const head = Object.entries({
    host,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "user-agent": "Svix-Webhooks/1.86",
    ...signHeaders(svixId, body),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`POST /api/webhooks/clerk HTTP/1.1\r\n${head.join("")}\r\n${body}`);
}

process.on("message", (request: LoadRequest) => void run(request).then((result) => process.send?.(result)));
process.send?.("ready");
