import { connect, createServer, type Server, type Socket } from "node:net";
import { findFreePort } from "../../src/dev/findFreePort.ts";

/**
 * What the link does. `pass`: carries bytes. `hang`: takes connections and carries nothing, in neither direction, also
 * on those already open. `refuse`: there is no listener. `hang-up`: takes a connection, reads the first bytes and closes it.
 * `answer`: the same, after it has sent these bytes.
 */
export type LinkMode = "pass" | "hang" | "refuse" | "hang-up" | { readonly answer: Buffer };

/** A TCP link on 127.0.0.1 that can be made slow or broken while it is in use. */
export interface TcpProxy {
  readonly port: number;
  /** Connections taken since the opening; refused ones are not counted. */
  readonly accepted: () => number;
  /** Applies to open connections too; what a hung link held back goes on when it passes again. */
  readonly setMode: (mode: LinkMode) => Promise<void>;
  /** Milliseconds added to each round trip, half of them each way; for bytes that come from now on. */
  readonly setDelayMs: (delayMs: number) => void;
  /** Resets every open connection, as a router that forgets them. */
  readonly cutAll: () => void;
  /** From now on open connections carry nothing and are told nothing, as behind a router that lost them; new ones pass. */
  readonly forgetAll: () => void;
  /** The same URL, through this link. */
  readonly urlFor: (url: string) => string;
  readonly close: () => Promise<void>;
}

/** Opens a link to `targetPort` on `targetHost` (127.0.0.1). `delayMs` is added to each round trip. */
export async function openTcpProxy(options: {
  targetPort: number;
  targetHost?: string;
  delayMs?: number;
}): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const forgotten = new WeakSet<Pair>();
  const lone = new Set<Socket>();
  let mode: LinkMode = "pass";
  let delayMs = options.delayMs ?? 0;
  let accepted = 0;

  function accept(near: Socket): void {
    accepted += 1;
    near.on("error", () => near.destroy());
    if (mode === "hang-up" || typeof mode === "object") {
      const { answer = null } = typeof mode === "object" ? mode : {};
      lone.add(near);
      near.once("data", () => (answer ? near.end(answer) : near.destroy())).once("close", () => lone.delete(near));
      return;
    }
    const far = connect({ port: options.targetPort, host: options.targetHost ?? "127.0.0.1", noDelay: true });
    near.setNoDelay(true);
    const oneWayMs = () => delayMs / 2;
    const pair = { sockets: [near, far], pipes: [pipe(near, far, oneWayMs), pipe(far, near, oneWayMs)] } as const;
    pairs.add(pair);
    near.once("close", () => pairs.delete(pair));
    for (const one of pair.pipes) one.hold(mode === "hang");
  }

  // While the link refuses, no other program may listen there, so not on a port that the system hands out.
  const port = await findFreePort();
  let server = await listen(accept, port);

  function cutAll(): void {
    for (const socket of [...lone, ...[...pairs].flatMap((pair) => pair.sockets)]) socket.resetAndDestroy();
  }

  return {
    port,
    accepted: () => accepted,
    setMode: async (wanted) => {
      if (wanted === "refuse" && server.listening) server.close();
      mode = wanted;
      if (wanted !== "refuse" && !server.listening) server = await listen(accept, port);
      for (const pair of pairs) for (const one of pair.pipes) one.hold(wanted === "hang" || forgotten.has(pair));
    },
    setDelayMs: (wantedMs) => {
      delayMs = wantedMs;
    },
    cutAll,
    forgetAll: () => {
      for (const pair of pairs) {
        for (const one of pair.pipes) one.hold(true);
        forgotten.add(pair);
      }
    },
    urlFor: (text) => {
      const url = new URL(text);
      url.hostname = "127.0.0.1";
      url.port = String(port);
      return url.href;
    },
    close: async () => {
      cutAll();
      if (server.listening) await new Promise((done) => server.close(done));
    },
  };
}

interface Pair {
  readonly sockets: readonly [Socket, Socket];
  readonly pipes: readonly [Pipe, Pipe];
}

interface Pipe {
  /** While held, nothing is carried; nothing is lost either. */
  readonly hold: (held: boolean) => void;
}

/** One direction. Bytes keep their order and each chunk its own delay, so a delayed link has no less throughput. */
function pipe(from: Socket, to: Socket, oneWayMs: () => number): Pipe {
  const waiting: { readonly chunk: Buffer | null; readonly dueAtMs: number }[] = [];
  let held = false;
  let timer: NodeJS.Timeout | undefined;

  function carry(): void {
    timer = undefined;
    if (held) return;
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const waitMs = first.dueAtMs - performance.now();
      if (waitMs > 0) {
        timer = setTimeout(carry, waitMs);
        return;
      }
      waiting.shift();
      if (first.chunk === null) to.end();
      else if (!to.destroyed) to.write(first.chunk);
    }
  }

  function take(chunk: Buffer | null): void {
    waiting.push({ chunk, dueAtMs: performance.now() + oneWayMs() });
    if (timer === undefined) carry();
  }

  from.on("data", take);
  from.on("end", () => take(null));
  from.on("error", () => to.destroy());
  from.on("close", () => {
    // What is under way still arrives after an orderly end; after a reset nothing does.
    if (from.errored !== null || !from.readableEnded) to.destroy();
  });
  return {
    hold: (wanted) => {
      held = wanted;
      clearTimeout(timer);
      carry();
    },
  };
}

async function listen(onConnection: (socket: Socket) => void, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(port, "127.0.0.1", done);
  });
  return server;
}
