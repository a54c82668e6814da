/** Message types during start-up. */
const errorResponse = 0x45;
const readyForQuery = 0x5a;
/** Type and length of a message. */
const headBytes = 5;

/**
 * An `ErrorResponse` before the first `ReadyForQuery`: the server, a pooler or Neon's proxy refuses the connection. An
 * error in answer to a statement is a `PostgresError`.
 */
export class StartUpError extends Error {
  /** SQLSTATE. */
  readonly code: string;

  constructor({ code, message }: { code: string; message: string }) {
    super(message);
    this.name = "StartUpError";
    this.code = code;
  }
}

/**
 * Splits the bytes of a server into whole messages until it is ready, then passes them on unchanged. An `ErrorResponse`
 * during start-up goes to `refuse` instead.
 * @returns the function to call with each chunk; its result is that of `handOn`, true if nothing was passed on
 */
export function createStartUpReader(
  handOn: (bytes: Buffer) => boolean,
  refuse: (error: StartUpError) => void,
): (chunk: Buffer) => boolean {
  let pending = Buffer.alloc(0);
  let isReady = false;

  return (chunk) => {
    if (isReady) return handOn(chunk);
    pending = Buffer.concat([pending, chunk]);
    let end = 0;
    while (!isReady && pending.length - end >= headBytes) {
      const length = 1 + pending.readUInt32BE(end + 1);
      if (pending.length - end < length) break;
      if (pending[end] === errorResponse) {
        refuse(toStartUpError(pending.subarray(end + headBytes, end + length)));
        return true;
      }
      isReady = pending[end] === readyForQuery;
      end += length;
    }
    const whole = isReady ? pending : pending.subarray(0, end);
    pending = pending.subarray(whole.length);
    return whole.length === 0 || handOn(whole);
  };
}

/** @param fields each is a letter (`C`: SQLSTATE, `M`: message), a text and a zero byte */
function toStartUpError(fields: Buffer): StartUpError {
  const texts = fields.toString("utf8").split("\0");
  const find = (letter: string) => texts.find((text) => text.startsWith(letter))?.slice(1);
  return new StartUpError({ code: find("C") ?? "", message: find("M") ?? "The server refuses the connection." });
}
