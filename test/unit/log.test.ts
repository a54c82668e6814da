import { expect, test } from "bun:test";
import { createJsonLog } from "../../src/log.ts";

function createCollected() {
  const lines: Record<string, unknown>[] = [];
  const log = createJsonLog("info", (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  return { log, lines };
}

test("a line has its level, its own time, its fields and its text, and nothing of the machine", async () => {
  const { log, lines } = createCollected();
  log.debug("below the level");
  for (const runId of [1, 2]) {
    const beforeMs = Date.now();
    log.child({ runId }).warn({ svixId: undefined, clerkId: "user_1" }, "odd");
    const { time, ...line } = lines.at(-1) ?? {};
    expect(line).toEqual({ level: 40, runId, clerkId: "user_1", msg: "odd" });
    expect(Date.parse(String(time)) - beforeMs).toBeWithin(0, 1_000);
    await Bun.sleep(2);
  }
  expect(new Set(lines.map(({ time }) => time)).size).toBe(2);
});

test("an error is logged with its causes, and without what a rule of the database quotes", () => {
  const { log, lines } = createCollected();
  const refusal = Object.assign(new Error("bad address a@example.com"), { severity: "ERROR", code: "P0001" });
  log.error({ err: new TypeError("broken", { cause: refusal }) }, "failed");
  expect(lines).toMatchObject([{ err: { type: "TypeError", message: "broken", cause: { code: "P0001" } } }]);
  expect(JSON.stringify(lines)).not.toContain("example.com");
});
