import { createSyncClient, type SyncClient } from "../../src/trpc/client.ts";
import type { TestApp } from "./testApp.ts";

/** A real client whose requests go straight into the app. */
export function connectTo(t: Pick<TestApp, "app">, token?: string): SyncClient {
  return createSyncClient({
    url: "http://sync.test",
    ...(token === undefined ? {} : { token }),
    fetch: async (url, init) => t.app.request(url, init),
  });
}

/** The tRPC code a call fails with, or `no error`. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "no error";
  } catch (error) {
    return (error as { data: { code: string } }).data.code;
  }
}
