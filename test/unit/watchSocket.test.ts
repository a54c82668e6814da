import { afterEach, expect, test } from "bun:test";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { toErrorResponse } from "../support/startUpRefusal.ts";
import { createTestClock, type TestClock } from "../support/testClock.ts";
import { neverSentCode, watchSocket, type SocketWatch } from "../../src/store/connection/watchSocket.ts";

const toClose: (() => unknown)[] = [];
afterEach(() => {
  for (const close of toClose.splice(0)) close();
});

/** A start-up message, as far as it is looked at. */
const startup = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0]);
const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

interface Pair {
  readonly socket: Socket;
  readonly peer: Socket;
  readonly watch: SocketWatch;
  readonly clock: TestClock;
  /**
   * `error: code` and `close`, in the order in which they were told; without the error that comes with each close, for
   * the statements accepted in between.
   */
  readonly told: string[];
  /** Until the peer has this many bytes. */
  readonly arrived: (bytes: number) => Promise<void>;
}

async function openPair(): Promise<Pair> {
  const peerComes = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, peerComes.resolve);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
  const peer = await peerComes.promise;
  toClose.push(
    () => server.close(),
    () => peer.destroy(),
    () => socket.destroy(),
  );
  peer.resume();
  peer.on("error", () => peer.destroy());
  const told: string[] = [];
  const clock = createTestClock();
  const watch = watchSocket(socket, clock);
  socket.on("error", (error: NodeJS.ErrnoException) => told.push(`error: ${error.code ?? error.message}`));
  let errorOfThisTick: string | undefined;
  socket.on("error", (error: NodeJS.ErrnoException) => {
    errorOfThisTick = error.code;
    queueMicrotask(() => (errorOfThisTick = undefined));
  });
  socket.on("close", () => {
    // Nothing can be accepted between this error and the close.
    if (errorOfThisTick === neverSentCode) told.pop();
    else told.push("no error in the tick of the close");
    told.push("close");
  });
  socket.on("end", () => socket.destroy(Object.assign(new Error("ended"), { code: "ENDED" })));
  return {
    socket,
    peer,
    watch,
    clock,
    told,
    arrived: async (wanted) => {
      while (peer.bytesRead < wanted) await Bun.sleep(1);
    },
  };
}

/** A connection that has answered and waits for the next statement. */
async function openIdle(): Promise<Pair> {
  const pair = await openPair();
  pair.socket.write(startup);
  await pair.arrived(startup.length);
  const answered = new Promise((done) => pair.socket.once("data", done));
  pair.peer.write(ready);
  await answered;
  return pair;
}

for (const how of ["ends", "resets"] as const) {
  test(`an idle connection that its peer ${how} reports its end at the next write, as never sent`, async () => {
    const { socket, peer, told } = await openIdle();
    if (how === "ends") peer.end();
    else peer.resetAndDestroy();
    while (!socket.destroyed) await Bun.sleep(1);
    await Bun.sleep(20);
    expect([told, socket.readyState]).toEqual([[], "open"]);
    expect(socket.write("statement")).toBe(true);
    expect(told).toEqual([]);
    await Bun.sleep(5);
    expect(told).toEqual([`error: ${neverSentCode}`, "close"]);
    expect(socket.readyState).toBe("closed");
  });
}

test("a connection that owes an answer is told of its end at once, with the reason, after what waits is written", async () => {
  const { socket, peer, told, arrived } = await openIdle();
  socket.write("statement");
  await arrived(startup.length + "statement".length);
  peer.end();
  while (!socket.destroyed) await Bun.sleep(1);
  await Bun.sleep(20);
  expect(told).toEqual(["error: ENDED", "close"]);
});

test("a close comes with an error for the statements that were accepted since the first one", async () => {
  const { socket, peer, arrived } = await openIdle();
  socket.write("statement");
  await arrived(startup.length + "statement".length);
  let unsettled = 1;
  socket.on("error", () => (unsettled = 0));
  const closed = new Promise<number>((resolve) => socket.on("close", () => resolve(unsettled)));
  peer.end();
  while (!socket.destroyed) await Bun.sleep(0);
  // postgres.js accepts one at any moment until it is told of the close.
  const accepting = setInterval(() => (unsettled += 1), 0);
  toClose.push(() => clearInterval(accepting));
  for (let tick = 0; tick < 10; tick += 1) {
    unsettled += 1;
    await new Promise(setImmediate);
  }
  expect(await closed).toBe(0);
});

test("a caller that ends an idle connection is told of its end", async () => {
  const { socket, peer, told } = await openIdle();
  peer.end();
  while (!socket.destroyed) await Bun.sleep(1);
  socket.end("goodbye");
  await Bun.sleep(5);
  expect(told.at(-1)).toBe("close");
});

test("a socket whose first write is missing or is not a start-up message is destroyed", async () => {
  const silent = await openPair();
  await Bun.sleep(30);
  expect(silent.told).toEqual([`error: ${neverSentCode}`, "close"]);
  const { socket, told } = await openPair();
  socket.write(Buffer.from("old bytes"));
  await Bun.sleep(30);
  expect(told).toEqual([`error: ${neverSentCode}`, "close"]);
});

test("an ErrorResponse during start-up, in however many pieces, ends the socket with its code and words", async () => {
  const { socket, peer, told, arrived } = await openPair();
  const chunks: Buffer[] = [];
  socket.on("data", (data: Buffer) => chunks.push(data));
  socket.write(startup);
  await arrived(startup.length);
  const authenticationOk = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
  const refusal = toErrorResponse({ code: "XX000", message: "asleep" });
  for (const byte of Buffer.concat([authenticationOk, refusal])) {
    peer.write(Buffer.of(byte));
    await Bun.sleep(1);
  }
  while (told.length < 2) await Bun.sleep(1);
  expect(told).toEqual(["error: XX000", "close"]);
  expect(Buffer.concat(chunks)).toEqual(authenticationOk);
});

test("an ErrorResponse after start-up is passed on unchanged", async () => {
  const { socket, peer, told } = await openIdle();
  const answer = toErrorResponse({ code: "XX000", message: "broken" });
  const came = new Promise<Buffer>((done) => socket.once("data", done));
  peer.write(answer);
  expect(await came).toEqual(answer);
  expect(told).toEqual([]);
});

test("a peer that owes an answer, or an idle one not heard of since, is suspect; one in a transaction is not", async () => {
  const suspicion = { silentMs: 50, error: Object.assign(new Error("silent"), { code: "SILENT" }) };
  const owing = await openIdle();
  owing.socket.write("statement");
  owing.watch.destroyIfSuspect({ ...suspicion, sinceMs: 0 });
  expect(owing.socket.destroyed).toBe(false);
  await owing.clock.advance(50);
  owing.watch.destroyIfSuspect({ ...suspicion, sinceMs: 0 });
  expect(owing.socket.destroyed).toBe(true);
  const idle = await openIdle();
  idle.watch.destroyIfSuspect({ ...suspicion, sinceMs: idle.clock.nowMs() - 1 });
  expect(idle.socket.destroyed).toBe(false);
  idle.watch.destroyIfSuspect({ ...suspicion, sinceMs: idle.clock.nowMs() });
  expect(idle.socket.destroyed).toBe(true);
  const busy = await openIdle();
  const answered = new Promise((done) => busy.socket.once("data", done));
  busy.peer.write(Buffer.from([0x5a, 0, 0, 0, 5, 0x54]));
  await answered;
  busy.watch.destroyIfSuspect({ ...suspicion, sinceMs: busy.clock.nowMs() + 1 });
  expect(busy.socket.destroyed).toBe(false);
});
