import type { TRPCError } from "@trpc/server";
import type { Context } from "hono";
import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { CreateContext } from "../trpc/context.ts";
import { getRequestId } from "./answerHeaders.ts";
import type { BodyBudget } from "./bodyBudget.ts";
import { findClientAddress } from "./findClientAddress.ts";
import { readBody } from "./readBody.ts";
import { toParseableUrl, withParseableUrl } from "./requestUrl.ts";

/** Limits of one request: bytes, reading time, calls in a batch. */
const requestBytesMax = 1024 * 1024;
const bodyTimeoutMs = 8_000;
const batchItemsMax = 50;

/** `/api/trpc/*`, wherever the app is mounted. */
export function createTrpcRoute(
  createContext: CreateContext,
  { bodyBudget, clock }: { bodyBudget: BodyBudget; clock: Clock },
): Record<"GET" | "POST", (c: Context) => Promise<Response>> {
  let loading: ReturnType<typeof load> | undefined;
  // The client's address of each call. Kept here, because the new `Request` that `POST` makes from the body has none.
  const addresses = new WeakMap<Context, string | undefined>();

  /** Loads tRPC and the procedures at the first call, so that no webhook waits for them. */
  async function load() {
    const [{ trpcServer }, { servedRouter }] = await Promise.all([
      import("@hono/trpc-server"),
      import("../trpc/appRouter.ts"),
    ]);
    return trpcServer({
      router: servedRouter,
      maxBatchSize: batchItemsMax,
      createContext: (_options, c) => ({ ...createContext(c.req.raw.headers, addresses.get(c), getRequestId(c)) }),
      responseMeta: ({ errors }) => ({ headers: { "cache-control": "no-store", ...toRetryAfter(errors) } }),
    });
  }

  async function answer(c: Context): Promise<Response> {
    loading ??= load().catch((error: unknown) => {
      // The next call retries.
      loading = undefined;
      throw error;
    });
    const trpc = await loading;
    const res = await trpc(c, async () => {});
    return res ?? Promise.reject(new Error("tRPC gave no answer"));
  }

  return {
    GET: (c) => {
      if (c.req.raw.url.length > requestBytesMax)
        throw new AppError("payload_too_large", `The request is larger than ${requestBytesMax} bytes.`);
      addresses.set(c, findClientAddress(c));
      c.req.raw = withParseableUrl(c.req.raw);
      return answer(c);
    },
    POST: async (c) => {
      addresses.set(c, findClientAddress(c));
      const share = bodyBudget.openShare();
      try {
        // Read here, so that the limits apply to streamed bodies as well as to declared ones.
        const body = await readBody(c.req, { bytesMax: requestBytesMax, timeoutMs: bodyTimeoutMs, share, clock });
        c.req.raw = new Request(toParseableUrl(c.req.raw.url), { method: "POST", headers: c.req.raw.headers, body });
        return await answer(c);
      } finally {
        share.close();
      }
    },
  };
}

function toRetryAfter(errors: readonly TRPCError[]): Record<string, string> {
  const seconds = errors.map(({ cause }) => (cause instanceof AppError ? (cause.retryAfterSeconds ?? 0) : 0));
  const longest = Math.max(0, ...seconds);
  return longest > 0 ? { "retry-after": String(longest) } : {};
}
