import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { findFreePort } from "../../src/dev/freePort.ts";
import { testSecret } from "../support/testApp.ts";
import { waitFor } from "../support/serverProcess.ts";

test.each(["full", "unread"])(
  "a log that is %s neither delays nor fails an answer",
  async (kind) => {
    const port = await findFreePort();
    const stdout = kind === "full" ? openSync("/dev/full", "w") : "pipe";
    const child = spawn(
      process.execPath,
      ["--no-install", "--no-env-file", join(import.meta.dir, "../../src/main.ts")],
      {
        env: {
          DATABASE_URL: "postgresql://u:p@127.0.0.1:9/none",
          CLERK_WEBHOOK_SECRET: testSecret,
          RECONCILE_EVERY_MINUTES: "0",
          PORT: String(port),
          HOST: "127.0.0.1",
          LOG_FORMAT: "json",
        },
        stdio: ["ignore", stdout, "ignore"],
      },
    );
    child.stdout?.pause();
    const ask = async (path: string, init: RequestInit = {}) =>
      (await fetch(`http://127.0.0.1:${port}${path}`, { ...init, signal: AbortSignal.timeout(3_000) })).status;
    try {
      await waitFor(
        () =>
          ask("/healthz").then(
            (status) => status === 200,
            () => false,
          ),
        {
          deadlineMs: 15_000,
          what: "the server",
        },
      );
      // Each leaves a line; together more than a pipe holds.
      for (let round = 0; round < 40; round++) {
        const asked = Array.from({ length: 50 }, () => ask("/api/webhooks/clerk", { method: "POST" }));
        expect(new Set(await Promise.all(asked))).toEqual(new Set([400]));
      }
      expect(await ask("/healthz")).toBe(200);
    } finally {
      child.kill("SIGKILL");
    }
  },
  40_000,
);
