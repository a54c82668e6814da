import type { HonoRequest } from "hono";
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";

export interface BodyLimits {
  readonly bytesMax: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Hono's caches that hold what came, byte for byte; a form that was parsed cannot be put together again. */
const exactCaches = ["arrayBuffer", "text", "blob"] as const;

/**
 * The exact bytes of a request's body, also where a middleware of the app around this one has read it through Hono.
 * @throws AppError `payload_too_large` as soon as more than `bytesMax` are declared or have come; `request_timeout`
 * if the sender needs longer than `timeoutMs` or hangs up; `internal` if the body was read in a way that keeps nothing
 */
export function readBody(req: HonoRequest, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  return req.raw.bodyUsed ? readKept(req, limits.bytesMax) : readUnread(req.raw, limits);
}

async function readKept(req: HonoRequest, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  if (!exactCaches.some((name) => name in req.bodyCache)) {
    const todo = "let it read c.req.text() or c.req.arrayBuffer(), which Hono keeps, instead of c.req.raw or a form";
    const cause = new Error(`A middleware of the app around has used up the request's body: ${todo}`);
    throw new AppError("internal", "Something went wrong here.", { cause });
  }
  const bytes = new Uint8Array(await req.arrayBuffer());
  if (bytes.byteLength > bytesMax) throw tooLarge(bytesMax);
  return bytes;
}

async function readUnread(req: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const declared = Number(req.headers.get("content-length") ?? 0);
  if (declared > limits.bytesMax) throw tooLarge(limits.bytesMax);
  if (req.body === null) return new Uint8Array();
  // What is declared is all that can come, so it is read in one piece, which costs less than a stream.
  if (declared > 0) return readWhole(req, limits);
  const reader = req.body.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  const timeout = Promise.withResolvers<never>();
  const cancelTimer = limits.clock.setTimer(limits.timeoutMs, () => {
    timeout.reject(new AppError("request_timeout", "The body did not come in time."));
  });
  try {
    return await Promise.race([readAll(reader, limits.bytesMax), timeout.promise]);
  } catch (cause) {
    // Tells the runtime that nobody reads on; whether the sender still listens does not matter.
    reader.cancel().catch(() => undefined);
    throw cause instanceof AppError ? cause : new AppError("request_timeout", "The body broke off.", { cause });
  } finally {
    cancelTimer();
  }
}

/** As above. Its reading cannot be called off, but ends with the connection. */
async function readWhole(req: Request, limits: BodyLimits): Promise<Uint8Array<ArrayBuffer>> {
  const timeout = Promise.withResolvers<never>();
  const cancelTimer = limits.clock.setTimer(limits.timeoutMs, () => {
    timeout.reject(new AppError("request_timeout", "The body did not come in time."));
  });
  try {
    const bytes = await Promise.race([req.bytes() as Promise<Uint8Array<ArrayBuffer>>, timeout.promise]);
    // Where no HTTP server stands between, a body can be longer than it says.
    if (bytes.byteLength > limits.bytesMax) throw tooLarge(limits.bytesMax);
    return bytes;
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("request_timeout", "The body broke off.", { cause });
  } finally {
    cancelTimer();
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    bytes += value.byteLength;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(value);
  }
}

function tooLarge(bytesMax: number): AppError {
  return new AppError("payload_too_large", `The body is larger than ${bytesMax} bytes.`);
}
