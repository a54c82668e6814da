import type { HonoRequest } from "hono";
import type { Clock } from "../clock.ts";
import { AppError, errorTexts } from "../errors.ts";
import { smallBodyBytesMax, type BodyShare } from "./bodyBudget.ts";

/** How much of a body is read, and how long. */
export interface BodyLimits {
  readonly bytesMax: number;
  /** Counts the bytes; the caller closes it after the answer. */
  readonly share: BodyShare;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Hono's caches that keep the exact bytes; those of a parsed form are lost. */
const exactCaches = ["arrayBuffer", "text", "blob"] as const;

/**
 * The exact bytes of a request's body, also where a middleware of the host app has read it through Hono.
 * @throws AppError `payload_too_large` as soon as more than `bytesMax` are declared or have come; `unavailable`
 * if the bodies of all requests leave no room; `request_timeout` if the sender needs longer than `timeoutMs` or hangs up;
 * `internal` if the host app has read the body in a way that does not keep its bytes
 */
export function readBody(req: HonoRequest, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  return req.raw.bodyUsed ? readKept(req, limits) : readUnread(req.raw, limits);
}

async function readKept(req: HonoRequest, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  if (!exactCaches.some((name) => name in req.bodyCache)) {
    const todo = "let it read c.req.text() or c.req.arrayBuffer(), which Hono keeps, instead of c.req.raw or a form";
    const cause = new Error(`A middleware of the host app has consumed the request's body: ${todo}`);
    throw new AppError("internal", errorTexts.internal, { cause });
  }
  const bytes = new Uint8Array(await req.arrayBuffer());
  if (bytes.byteLength > limits.bytesMax) throw tooLarge(limits.bytesMax);
  limits.share.take(bytes.byteLength);
  return bytes;
}

async function readUnread(req: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const declared = Number(req.headers.get("content-length") ?? 0);
  if (declared > limits.bytesMax) throw tooLarge(limits.bytesMax);
  // Access to `body` creates a stream, which a body that is read in one piece does not need.
  const isSmall = declared > 0 && declared <= smallBodyBytesMax;
  const stream = isSmall ? undefined : req.body;
  if (stream === null) return new Uint8Array();
  limits.share.checkRoom(declared);
  const reading = stream === undefined ? readWhole(req, limits) : readStream(stream, limits);
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const cancelTimer = limits.clock.setTimer(limits.timeoutMs, () => {
    reject(new AppError("request_timeout", `The body did not arrive within ${limits.timeoutMs / 1000} s.`));
  });
  reading.bytes.then(resolve, reject);
  try {
    return await promise;
  } catch (cause) {
    reading.cancel();
    throw cause instanceof AppError
      ? cause
      : new AppError("request_timeout", "The sender closed the connection before the end of the body.", { cause });
  } finally {
    cancelTimer();
  }
}

interface BodyReading {
  readonly bytes: Promise<Uint8Array<ArrayBuffer>>;
  readonly cancel: () => void;
}

/** Reads the body in one piece, which costs less than a stream. Cannot be cancelled, but ends with the connection. */
function readWhole(req: Request, { bytesMax, share }: BodyLimits): BodyReading {
  // Not `bytes()`: adapters from Node's request to `Request` may lack it.
  const bytes = req.arrayBuffer().then((buffer) => {
    const whole = new Uint8Array(buffer);
    // Without an HTTP server in between, a body can be longer than declared.
    if (whole.byteLength > bytesMax) throw tooLarge(bytesMax);
    share.take(whole.byteLength);
    return whole;
  });
  return { bytes, cancel: () => undefined };
}

function readStream(body: NonNullable<Request["body"]>, limits: BodyLimits): BodyReading {
  const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  // `cancel` tells the runtime that the rest is not read; it may fail, because the sender may have disconnected.
  return { bytes: readAll(reader, limits), cancel: () => void reader.cancel().catch(() => undefined) };
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  { bytesMax, share }: BodyLimits,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    bytes += value.byteLength;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    share.take(value.byteLength);
    chunks.push(value);
  }
}

function tooLarge(bytesMax: number): AppError {
  return new AppError("payload_too_large", `The body is larger than ${bytesMax} bytes.`);
}
