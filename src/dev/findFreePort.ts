import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the ports that Linux and macOS give to outgoing connections, one of which could take it before its user does. */
const lowest = 15_000;
const highest = 30_000;
const attemptsMax = 20;

/**
 * A port of 127.0.0.1 that was free a moment ago. Another process may be told the same: what can listen on port 0 and
 * say which it got should.
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
