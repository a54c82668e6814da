import { expect, test } from "bun:test";
import { join } from "node:path";

const module = join(import.meta.dir, "../../src/onStopSignal.ts");

/** A process that takes a second to end after the first signal. */
function start() {
  const code = `
    import { onStopSignal } from ${JSON.stringify(module)};
    onStopSignal((signal) => { console.log(signal); setTimeout(() => process.exit(0), 1500); });
    console.log("ready");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return { child, read: async () => (await lines.read()).value };
}

test("one Ctrl-C that arrives twice, from the terminal and from bun run, stops once and in order", async () => {
  const { child, read } = start();
  expect(await read()).toBe("ready\n");
  child.kill("SIGINT");
  expect(await read()).toBe("SIGINT\n");
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  expect(await read()).toBeUndefined();
});

test("a second Ctrl-C ends the process at once", async () => {
  const { child, read } = start();
  await read();
  child.kill("SIGTERM");
  await read();
  await Bun.sleep(700);
  child.kill("SIGINT");
  await child.exited;
  expect(child.signalCode).toBe("SIGINT");
});
