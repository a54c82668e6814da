import { expect, test } from "bun:test";
import { createServeOptions } from "../../src/http/serveOptions.ts";
import { createCollectedLog } from "../support/collectedLog.ts";
import { toClose } from "../support/toClose.ts";

const failures: [string, () => Promise<Response>][] = [
  [
    "throws",
    () => {
      throw new Error("hidden text");
    },
  ],
  ["rejects", () => Promise.reject(new Error("hidden text"))],
];

test.each(failures)(
  "an app that %s is answered 500 in JSON without the error's text, stack or sources; the log has the cause",
  async (_, fetchApp) => {
    const { log, lines } = createCollectedLog();
    const options = createServeOptions({ app: { fetch: fetchApp }, log });
    const server = Bun.serve({ ...options, port: 0, hostname: "127.0.0.1" });
    toClose.push(() => server.stop(true));
    const res = await fetch(server.url);
    const body = await res.text();
    expect([res.status, JSON.parse(body)]).toMatchObject([500, { error: { code: "internal" } }]);
    expect(body).not.toMatch(/hidden|\.ts\b|\bat /);
    expect(lines).toMatchObject([{ err: { message: "hidden text" } }]);
  },
);
