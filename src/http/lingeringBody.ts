/** How much of an unread body is discarded, and how long, before the connection is closed. */
const lingerBytesMax = 16 * 1024 * 1024;
const lingerMs = 1_000;

/**
 * The same request with a body that may be left unread or cancelled without harm to the answer. On Node, cancelling the
 * body ends the connection before the answer is written, and an unread body blocks the next request on the connection.
 * The rest of this body is read and discarded in the background.
 * @param bytesMax a body that declares at most this size is read to its end anyway: the request is returned unchanged
 */
export function withLingeringBody(req: Request, bytesMax: number): Request {
  const declared = req.headers.get("content-length");
  if ((declared !== null && Number(declared) <= bytesMax) || req.body === null) return req;
  const reader = req.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => void discard(reader),
  });
  return new Request(req.url, { method: req.method, headers: req.headers, body, duplex: "half" });
}

async function discard(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const endsAtMs = Date.now() + lingerMs;
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), lingerMs);
  try {
    for (let bytes = 0; bytes < lingerBytesMax && Date.now() < endsAtMs;) {
      const { done, value } = await reader.read();
      if (done) return;
      bytes += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // The sender hung up: nothing is left to discard.
  } finally {
    clearTimeout(timer);
  }
}
