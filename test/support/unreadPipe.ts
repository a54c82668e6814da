import { execFileSync } from "node:child_process";
import { closeSync, constants, createReadStream, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A pipe to write to, which nothing reads until `read` is called. */
export function openUnreadPipe(flags = 0) {
  const folder = mkdtempSync(join(tmpdir(), "unread-pipe-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | flags);
  let text = "";
  return {
    fd,
    read: () => void createReadStream(path).on("data", (chunk) => (text += chunk.toString())),
    /** What was read so far. */
    text: () => text,
    close: () => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}
