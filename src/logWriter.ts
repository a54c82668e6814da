import { write } from "node:fs";

/** Limit of the buffer, UTF-16 units: some seconds of the highest throughput. Further lines are dropped and counted. */
const bufferedCharsMax = 4 * 1024 * 1024;
/** Characters per write: the capacity of a pipe. */
const chunkCharsMax = 64 * 1024;
/** Pause after a failed write, such as one to a full pipe. */
const retryMs = 100;
const flushMs = 500;

/** Writes lines to a file descriptor without ever waiting, throwing, or holding more than a bounded amount. */
export interface LogWriter {
  readonly write: (line: string) => void;
  /** Calls `done` when all is written, or after half a second; for the end of the process. */
  readonly flush: (done: () => void) => void;
  /** Number of lines dropped so far. */
  readonly droppedLines: () => number;
}

/**
 * Joins waiting lines into one write.
 * @param toText converts a line of JSON to the text to be written
 */
export function createLogWriter(fd: number, toText: (line: string) => string = (line) => line): LogWriter {
  let lines: string[] = [];
  let bufferedChars = 0;
  let dropped = 0;
  let droppedSaid = 0;
  /** Bytes of the write in flight, or of the one to be retried. */
  let chunk: Buffer | undefined;

  function next(): void {
    if (chunk === undefined) {
      if (lines.length === 0) return;
      chunk = takeChunk();
    }
    const current = chunk;
    write(fd, current, 0, current.length, null, (error, bytes) => {
      chunk = error ? current : current.subarray(bytes);
      if (chunk.length === 0) chunk = undefined;
      if (error) setTimeout(next, retryMs).unref();
      else next();
    });
  }

  function takeChunk(): Buffer {
    let count = 0;
    for (let chars = 0; count < lines.length && chars < chunkCharsMax; count++) chars += lines[count]?.length ?? 0;
    const text = lines.splice(0, count).join("");
    bufferedChars -= text.length;
    if (lines.length > 0 || dropped === droppedSaid) return Buffer.from(text);
    const notice = { level: 40, time: new Date().toISOString(), droppedLines: dropped - droppedSaid };
    droppedSaid = dropped;
    const line = JSON.stringify({ ...notice, msg: "[Log] Lines were dropped: nothing read them" });
    return Buffer.from(`${text}${toText(`${line}\n`)}`);
  }

  return {
    write: (jsonLine) => {
      const line = toText(jsonLine);
      if (bufferedChars + line.length > bufferedCharsMax) {
        dropped += 1;
        return;
      }
      lines.push(line);
      bufferedChars += line.length;
      if (lines.length === 1 && chunk === undefined) queueMicrotask(next);
    },
    flush: (done) => {
      const endsAtMs = performance.now() + flushMs;
      const wait = () => {
        if ((chunk === undefined && lines.length === 0) || performance.now() > endsAtMs) done();
        else setTimeout(wait, 5);
      };
      wait();
    },
    droppedLines: () => dropped,
  };
}
