import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { startServerProcess, type ServerProcess } from "../support/serverProcess.ts";

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({ databaseUrl: "postgresql://absent:secret@127.0.0.1:9/none" });
}, 30_000);
afterAll(() => server.close());

/** One request as text, for what no HTTP client sends. */
function sendRaw(text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1", () => socket.write(text));
  let answer = "";
  socket.on("data", (chunk) => (answer += chunk.toString()));
  socket.on("error", reject);
  socket.on("close", () => resolve(answer));
  return promise;
}

test("the runtime's own development pages are not served", async () => {
  const res = await server.get("/bun:info");
  expect([res.status, res.said]).toEqual([404, "not_found"]);
});

test("a malformed Host header changes no answer", async () => {
  for (const host of ["a b", "", "[::1", "x:99999999", "%zz", "a/b", "a@b:c@d", "a\\b", "<script>", "a?x#y"]) {
    for (const [path, status] of [
      ["/healthz", 200],
      ["/", 200],
      ["/assets/x.js", 404],
      ["/api/trpc/sync.status", 401],
    ] as const) {
      const answer = await sendRaw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect([host, path, answer.split(" ")[1]]).toEqual([host, path, String(status)]);
    }
    const head = `POST /api/trpc/sync.resync HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n`;
    const posted = await sendRaw(`${head}Content-Length: 2\r\nConnection: close\r\n\r\n{}`);
    expect([host, posted.split(" ")[1]]).toEqual([host, "401"]);
  }
}, 20_000);
