import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the ephemeral ports of Linux and macOS, so that no outgoing connection takes it meanwhile. */
const lowest = 15_000;
const highest = 30_000;
const attemptsMax = 20;

/**
 * A port of 127.0.0.1 that was just free. Another process may get the same: a server that can listen on port 0 should do
 * that instead.
 */
export async function findFreePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = randomInt(lowest, highest);
    try {
      await listenOnce(port);
      return port;
    } catch (error) {
      if (attempt === attemptsMax) throw error;
    }
  }
}

async function listenOnce(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(port, "127.0.0.1", done);
  });
  await new Promise((done) => server.close(done));
}
