// A TCP link of a given length in a process of its own: every piece is handed on in order, half the round trip after it
// came, however many are on the way. No limit of bandwidth, no Nagle.
import type { Socket } from "bun";

export interface OpenLink {
  readonly targetPort: number;
  readonly roundTripMs: number;
}

interface End {
  peer: Socket<End> | undefined;
  /** What came before the peer was connected, or what the peer's buffer had no room for. */
  unsent: Buffer[];
  readonly delayMs: number;
}

function deliver(from: Socket<End>, bytes: Buffer): void {
  const { peer, unsent } = from.data;
  if (!peer || unsent.length > 0) {
    unsent.push(bytes);
    return;
  }
  const written = peer.write(bytes);
  if (written < bytes.length) unsent.push(bytes.subarray(Math.max(0, written)));
}

function flush(from: Socket<End>): void {
  const unsent = from.data.unsent.splice(0);
  for (const bytes of unsent) deliver(from, bytes);
}

const handlers = {
  data: (socket: Socket<End>, bytes: Buffer) => {
    setTimeout(deliver, socket.data.delayMs, socket, Buffer.from(bytes));
  },
  drain: (socket: Socket<End>) => {
    if (socket.data.peer) flush(socket.data.peer);
  },
  close: (socket: Socket<End>) => {
    setTimeout(() => socket.data.peer?.end(), socket.data.delayMs);
  },
  error: (socket: Socket<End>) => {
    socket.data.peer?.end();
  },
};

function openLink({ targetPort, roundTripMs }: OpenLink): number {
  const delayMs = roundTripMs / 2;
  const listener = Bun.listen<End>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers,
      open: (near) => {
        near.setNoDelay(true);
        near.data = { peer: undefined, unsent: [], delayMs };
        const refuse = () => {
          near.end();
        };
        void Bun.connect<End>({
          hostname: "127.0.0.1",
          port: targetPort,
          data: { peer: near, unsent: [], delayMs },
          socket: {
            ...handlers,
            open: (far) => {
              far.setNoDelay(true);
              near.data.peer = far;
              flush(near);
            },
            connectError: refuse,
          },
        }).catch(refuse);
      },
    },
  });
  return listener.port;
}

process.on("message", (request: OpenLink) => process.send?.(openLink(request)));
process.send?.("ready");
