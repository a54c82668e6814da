// `bun run test [files…]`: Bun's own runner and summary, then one line for scripts to read.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { installMajor, majorVariable } from "./support/postgresMajor.ts";

/** Bun's own 5 s are not enough on a busy machine, and it then ends the Postgres that all other tests of a file need. */
const testDeadlineMs = 30_000;

/**
 * The arguments of each run of Bun's runner. Tests of outages hold answers against the clock while a load runs, so they
 * have the machine to themselves; all others share its cores.
 */
const runs =
  process.argv.length > 2
    ? [process.argv.slice(2)]
    : [["--parallel", "--no-isolate", "--path-ignore-patterns=test/faults/**"], ["test/faults/"]];

let passed = 0;
let failed = 0;
try {
  const version = await installMajor(process.env[majorVariable]);
  if (version !== undefined) console.log(`On Postgres ${version}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed");
  process.exit(1);
}
for (const args of runs) {
  const counts = await runTests(args);
  passed += counts.passed;
  failed += counts.failed;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function runTests(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const child = spawn(process.execPath, ["test", `--timeout=${testDeadlineMs}`, ...args], {
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
  let stopped = false;
  const stop = (signal: NodeJS.Signals) => {
    stopped = true;
    // A second Ctrl-C may come when it is gone already.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, signal);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  return new Promise((resolve) => {
    child.once("close", (code) => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      const plain = Bun.stripANSI(tail);
      const count = (what: string) => Number(new RegExp(`^ *(\\d+) ${what}$`, "m").exec(plain)?.[1] ?? 0);
      const counts = { passed: count("pass"), failed: Math.max(count("fail"), code === 0 ? 0 : 1) };
      if (stopped) {
        console.log(`${passed + counts.passed} passed, ${failed + counts.failed} failed`);
        process.exit(1);
      }
      resolve(counts);
    });
  });
}
