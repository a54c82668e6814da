// `bun run test [files…]`: Bun's own runner and summary, then one line for scripts to read.
import { spawn } from "node:child_process";
import { join } from "node:path";

/** Bun's own 5 s are not enough on a busy machine, and it then ends the Postgres that all other tests of a file need. */
const testDeadlineMs = 30_000;

const child = spawn(process.execPath, ["test", `--timeout=${testDeadlineMs}`, ...process.argv.slice(2)], {
  cwd: join(import.meta.dir, ".."),
  stdio: ["inherit", "inherit", "pipe"],
  // A group of its own, with the servers that tests have started: the runner ends at a signal without ending them.
  detached: true,
});
let tail = "";
child.stderr.on("data", (chunk: Buffer) => {
  process.stderr.write(chunk);
  tail = `${tail}${chunk.toString()}`.slice(-4000);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // A second Ctrl-C may come when it is gone already.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, signal);
  });
}
child.once("close", (code) => {
  const plain = Bun.stripANSI(tail);
  const count = (what: string) => Number(new RegExp(`^ *(\\d+) ${what}$`, "m").exec(plain)?.[1] ?? 0);
  const failed = Math.max(count("fail"), code === 0 ? 0 : 1);
  console.log(`${count("pass")} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
});
