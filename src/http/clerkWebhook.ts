import type { Clock } from "../clock.ts";
import type { HonoRequest } from "hono";
import { AppError } from "../errors.ts";
import { toUserChange } from "../clerk/userChange.ts";
import { isWithinTolerance, parseSignatureHeaders, type VerifyBody } from "../clerk/bodyVerifier.ts";
import { startSpan, type SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import type { UserService } from "../service/userService.ts";
import { toErrorResponse } from "./errorResponse.ts";
import type { BodyBudget, BodyShare } from "./bodyBudget.ts";
import type { ClockWatch } from "./clockWatch.ts";
import { readBody } from "./readBody.ts";

/** Clerk's largest user is a few hundred KiB of metadata. */
const bodyBytesMax = 1024 * 1024;
/** Deadline of the whole answer: less than Bun's idle timeout, Svix's 15 s and the promised 10 s. */
const webhookDeadlineMs = 8_000;
/** Deadline for reading the body; leaves half of the whole deadline for the database. */
const bodyDeadlineMs = 4_000;
/** Deadline for reading the body of a delivery with a wrong timestamp; it is read only to check this server's clock. */
const rejectedBodyDeadlineMs = 1_000;

/** Dependencies of the webhook route. */
export interface ClerkWebhookDeps {
  readonly verifyBody: VerifyBody;
  readonly userService: Pick<UserService, "applyChange">;
  readonly log: Log;
  /** When set, events that name another Clerk instance are ignored. */
  readonly instanceId?: string | undefined;
  readonly observer?: SyncObserver | undefined;
  readonly bodyBudget: BodyBudget;
  readonly clockWatch: ClockWatch;
  readonly clock: Clock;
}

/** `POST /api/webhooks/clerk`. 200: the change is committed. Else Svix retries, except after 422. */
export function createClerkWebhook(deps: ClerkWebhookDeps): (req: HonoRequest, requestId: string) => Promise<Response> {
  const { clock, log, userService } = deps;

  /** Verifies and parses a delivery. A separate function, so that the bytes can be freed while the change is queued. */
  async function receive(req: HonoRequest, share: BodyShare, startedAtMs: number): Promise<UserChange> {
    // Cheap checks first: a flood of unsigned requests costs no reading and no hashing.
    const headers = parseSignatureHeaders(req.raw.headers);
    const read = (timeoutMs: number) => readBody(req, { bytesMax: bodyBytesMax, timeoutMs, share, clock });
    if (!isWithinTolerance(headers, startedAtMs)) {
      // A body that cannot be read says nothing about the clock; the answer is the same.
      await deps.clockWatch.onRejected(headers, () => read(rejectedBodyDeadlineMs).catch(() => null));
      throw new AppError("timestamp_out_of_tolerance", "The svix-timestamp is more than 5 minutes off.");
    }
    const body = deps.verifyBody(headers, await read(bodyDeadlineMs));
    deps.clockWatch.onAccepted();
    return toUserChange({ svixId: headers.svixId, body, receivedAtMs: startedAtMs }, deps);
  }

  async function applyDelivery(
    { req, share, requestId }: { req: HonoRequest; share: BodyShare; requestId: string },
    startedAtMs: number,
  ): Promise<{ outcome: Outcome; lagMs: number | null }> {
    const change = await receive(req, share, startedAtMs);
    const { svixId, type } = change.delivery ?? {};
    log.info({ requestId, svixId, clerkId: change.clerkId }, `[Webhook] Received Clerk event: ${toPlainText(type)}`);
    const deadlineMs = webhookDeadlineMs - (clock.nowMs() - startedAtMs);
    const outcome = await userService.applyChange(change, { deadlineMs, requestId });
    const occurredAtMs = hasLag.has(outcome) ? change.delivery?.occurredAtMs : null;
    return { outcome, lagMs: occurredAtMs == null ? null : Math.max(0, clock.nowMs() - occurredAtMs) };
  }

  return async (req, requestId) => {
    const startedAtMs = clock.nowMs();
    const endSpan = startSpan();
    const share = deps.bodyBudget.openShare();
    try {
      const { outcome, lagMs } = await applyDelivery({ req, share, requestId }, startedAtMs);
      if (outcome === "dead")
        throw new AppError("invalid_event", "The delivery is verified, but it is not an event that can be applied.");
      deps.observer?.onDelivery?.({ ...endSpan(), status: 200, outcome, code: null, lagMs });
      return Response.json({ outcome });
    } catch (error) {
      // An invalid event stays invalid: tell Svix not to retry.
      const isDead = error instanceof AppError && error.code === "invalid_event";
      const retriable = error instanceof AppError ? toPublicError(error) : toUnavailable(error);
      const res = toErrorResponse(retriable, isDead ? { "webhook-delivery": "abort-message" } : {});
      const { code } = retriable;
      const svixId = req.header("svix-id");
      if (res.status >= 500)
        log.error(
          { err: error, requestId, svixId },
          `[Webhook] A delivery was answered ${res.status}; Svix retries it`,
        );
      else log.warn({ requestId, code, svixId }, `[Webhook] Rejected a delivery: ${code}`);
      deps.observer?.onDelivery?.({ ...endSpan(), status: res.status, outcome: null, code, lagMs: null });
      return res;
    } finally {
      share.close();
    }
  };
}

/** Outcomes with a lag: ignored and duplicate deliveries do not show how far the tables are behind. */
const hasLag: ReadonlySet<Outcome> = new Set(["applied", "unchanged", "stale"]);

/** An unexpected error is answered 503, so that Svix retries. */
function toUnavailable(cause: unknown): AppError {
  return new AppError("unavailable", "The delivery could not be processed.", { cause });
}

/** Removes the rule's name from a `refused` error: only operators see it, in the ledger. */
function toPublicError(error: AppError): AppError {
  if (error.code !== "refused") return error;
  return new AppError(
    "refused",
    "A rule of the database refuses this change; a retry applies it once the rule permits it.",
    {
      cause: error,
    },
  );
}

function toPlainText(type: string | null | undefined): string {
  return (type ?? "unknown").replace(/[^\x20-\x7e]/g, "?");
}
