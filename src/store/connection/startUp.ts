/** Types of messages that a server sends while a connection is being made. */
const errorResponse = 0x45;
const readyForQuery = 0x5a;
/** A message's type and length. */
const headBytes = 5;

/**
 * What a server, a pooler or Neon's proxy says instead of taking a connection: an `ErrorResponse` before the first
 * `ReadyForQuery`. An error that answers a statement is a `PostgresError`.
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
 * Takes what a server sends: until it is ready in whole messages, of which an `ErrorResponse` is the last.
 * @param handOn answers whether the bytes were taken
 * @returns to be called with each chunk; what it answers is `handOn`'s
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

/** @param fields each a letter and a text with a zero byte at its end: `C` the SQLSTATE, `M` the message */
function toStartUpError(fields: Buffer): StartUpError {
  const texts = fields.toString("utf8").split("\0");
  const find = (letter: string) => texts.find((text) => text.startsWith(letter))?.slice(1);
  return new StartUpError({ code: find("C") ?? "", message: find("M") ?? "The server refuses the connection." });
}
