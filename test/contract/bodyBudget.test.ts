import { expect, test } from "bun:test";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTestApp, post, signDelivery, testAdminToken } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());
const largeBody = JSON.stringify(
  userEvent(clerkUser("user_Large", { public_metadata: { notes: "x".repeat(900_000) } })),
);
const postToTrpc = async (body: NonNullable<RequestInit["body"]>) => {
  const headers = { authorization: `Bearer ${testAdminToken}`, "content-type": "application/json" };
  return (await t.app.request("/api/trpc/sync.resync", { method: "POST", body, headers })).status;
};

/** A body of which 900 KB come, and that ends when it is told to. */
function openBody() {
  const read = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let hasCome = false;
  const body = new ReadableStream({
    pull: async (controller) => {
      if (!hasCome) {
        hasCome = true;
        controller.enqueue(new Uint8Array(900_000));
        return;
      }
      read.resolve();
      await ended.promise;
      controller.close();
    },
  });
  return { body, wasRead: read.promise, end: ended.resolve };
}

test("while large bodies are being read, more large ones are 503 with Retry-After and small ones fit; later all fit again", async () => {
  const bodies = Array.from({ length: 3 }, openBody);
  const reading = bodies.map(({ body }, place) =>
    place === 0 ? postToTrpc(body) : post(t.app, body, signDelivery("x")),
  );
  await Promise.all(bodies.map(({ wasRead }) => wasRead));
  await Bun.sleep(0);
  const large = await t.deliver(largeBody);
  expect([large.status, large.said, large.headers.get("retry-after")]).toEqual([503, "unavailable", "5"]);
  expect(await postToTrpc(largeBody)).toBe(503);
  expect((await t.deliver(userEvent(clerkUser("user_Small")))).said).toBe("applied");
  for (const { end } of bodies) end();
  await Promise.all(reading);
  expect((await t.deliver(largeBody)).status).toBe(200);
  expect(await postToTrpc(largeBody)).toBe(400);
});

test("a large body that is declared but not sent takes no room", async () => {
  const silent = Array.from({ length: 20 }, () => {
    const headers = { ...signDelivery("x"), "content-length": "900000" };
    let end = () => {};
    const body = new ReadableStream({ start: (controller) => void (end = () => controller.close()) });
    return { answer: post(t.app, body, headers), end: () => end() };
  });
  await Bun.sleep(0);
  expect((await t.deliver(largeBody)).status).toBe(200);
  for (const { end } of silent) end();
  await Promise.all(silent.map(({ answer }) => answer));
});
