import { createTRPCClient, httpBatchLink, type HTTPBatchLinkOptions, type TRPCClient } from "@trpc/client";
import type { AppRouter } from "./appRouter.ts";

export type { AppRouter } from "./appRouter.ts";
/** A tRPC client with every procedure of the server typed. */
export type SyncClient = TRPCClient<AppRouter>;

/** The server takes no more calls in one batch. */
const batchItemsMax = 50;
/** Characters; servers and proxies refuse longer addresses, and more batches cost little. */
const urlCharsMax = 8_000;

/**
 * A typed client of the sync server.
 * @param options.url the server's base address, such as `https://sync.example.com`, with the path it is mounted at
 * @param options.token the admin token or a Clerk session token, or how to get one for each request
 */
export function createSyncClient(options: {
  url: string;
  token?: string | undefined | (() => string | undefined | Promise<string | undefined>);
  fetch?: (url: string | URL | Request, init?: RequestInit) => Promise<Response>;
}): SyncClient {
  const { token } = options;
  return createTRPCClient<AppRouter>({
    links: [
      httpBatchLink({
        url: `${options.url.replace(/\/+$/, "")}/api/trpc`,
        maxItems: batchItemsMax,
        maxURLLength: urlCharsMax,
        headers: async () => {
          const value = typeof token === "function" ? await token() : token;
          return value === undefined ? new Headers() : new Headers({ authorization: `Bearer ${value}` });
        },
        ...(options.fetch ? { fetch: options.fetch as NonNullable<HTTPBatchLinkOptions<never>["fetch"]> } : {}),
      }),
    ],
  });
}
