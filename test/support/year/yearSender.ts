import assert from "node:assert/strict";
import { signDelivery } from "../testApp.ts";
import type { Sent } from "./yearLedger.ts";
import type { Post, YearTraffic } from "./yearTraffic.ts";

const deliveriesAtOnce = 16;
const answerDeadlineMs = 20_000;

/** Delivers what is due, as Svix does, and records the answers. @param deps.pickUrl the base address for one delivery */
export function createYearSender({
  traffic,
  now,
  pickUrl,
}: {
  traffic: YearTraffic;
  now: () => number;
  pickUrl: () => string;
}) {
  const sent = new Map<string, Sent>();
  const figures = { deliveries: 0, duplicates: 0, unanswered: 0 };

  async function send(post: Post, step: number): Promise<void> {
    const { svixId, body } = post.event;
    const at = new Date(now());
    const known: Sent = sent.get(svixId) ?? { firstSentMs: at.getTime(), settledMs: null, isDead: false };
    sent.set(svixId, known);
    figures.deliveries += 1;
    const { status, text } = await fetch(`${pickUrl()}/api/webhooks/clerk`, {
      method: "POST",
      body,
      headers: signDelivery(body, { svixId, at }),
      signal: AbortSignal.timeout(answerDeadlineMs),
    }).then(
      async (res) => ({ status: res.status, text: await res.text() }),
      () => ({ status: 0, text: "" }),
    );
    if (status === 0 || status === 503) {
      figures.unanswered += 1;
      return traffic.sendAgain(post, step);
    }
    assert.ok(status === 200 || status === 422, `${svixId} was answered ${status} ${text}`);
    if (text.includes('"duplicate"')) figures.duplicates += 1;
    known.settledMs ??= now();
    known.isDead = status === 422;
  }

  return {
    /** By svix-id. */
    sent: sent as ReadonlyMap<string, Sent>,
    figures: () => figures,
    /** Sends everything that is due in a step. @param meanwhile is called once half of it is sent */
    sendDue: async (step: number, meanwhile: (() => Promise<void>) | undefined): Promise<void> => {
      let queue = traffic.takeDue(step);
      const half = queue.length / 2;
      let interruption: Promise<void> | undefined;
      const sendOneByOne = async () => {
        for (;;) {
          if (queue.length <= half) interruption ??= meanwhile?.();
          const post = queue.pop();
          if (post === undefined) return;
          await send(post, step);
        }
      };
      while (queue.length > 0) {
        await Promise.all(Array.from({ length: deliveriesAtOnce }, sendOneByOne));
        queue = traffic.takeDue(step);
      }
      await (interruption ?? meanwhile?.());
    },
  };
}
