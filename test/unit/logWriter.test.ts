import { expect, test } from "bun:test";
import { constants } from "node:fs";
import { createLogWriter } from "../../src/logWriter.ts";
import { waitFor } from "../support/serverProcess.ts";
import { openForTest } from "../support/toClose.ts";
import { openUnreadPipe } from "../support/unreadPipe.ts";

test.each([
  ["blocks", 0],
  ["refuses", constants.O_NONBLOCK],
])(
  "a pipe that %s holds up nothing; once it is read the lines come in order, then how many were dropped",
  async (_, flags) => {
    const pipe = await openForTest(openUnreadPipe(flags));
    const writer = createLogWriter(pipe.fd);
    const line = (place: number) => `${place} ${"x".repeat(10_000)}\n`;
    for (let place = 0; place < 1_000; place++) writer.write(line(place));
    const dropped = writer.droppedLines();
    expect(dropped).toBeGreaterThan(0);
    pipe.read();
    await waitFor(() => pipe.text().includes("Lines were dropped"), { deadlineMs: 10_000, what: "the notice" });
    const kept = Array.from({ length: 1_000 - dropped }, (_unused, place) => line(place)).join("");
    expect(pipe.text().startsWith(kept)).toBe(true);
    expect(JSON.parse(pipe.text().slice(kept.length))).toMatchObject({ level: 40, droppedLines: dropped });
    writer.write("after\n");
    await waitFor(() => pipe.text().endsWith("}\nafter\n"), { deadlineMs: 10_000, what: "the next line" });
    expect(writer.droppedLines()).toBe(dropped);
  },
);
