// `bun run test [files…]`: Bun's own runner and summary, then one line for scripts to read.
import { spawn } from "node:child_process";
import { join } from "node:path";

const child = spawn(process.execPath, ["test", ...process.argv.slice(2)], {
  cwd: join(import.meta.dir, ".."),
  stdio: ["inherit", "inherit", "pipe"],
});
let tail = "";
child.stderr.on("data", (chunk: Buffer) => {
  process.stderr.write(chunk);
  tail = `${tail}${chunk.toString()}`.slice(-4000);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.once("close", (code) => {
  const plain = Bun.stripANSI(tail);
  const count = (what: string) => Number(new RegExp(`^ *(\\d+) ${what}$`, "m").exec(plain)?.[1] ?? 0);
  const failed = Math.max(count("fail"), code === 0 ? 0 : 1);
  console.log(`${count("pass")} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
});
