import { expect } from "bun:test";
import { createClerkApi, type ClerkApiOptions } from "../../src/clerk/createClerkApi.ts";
import { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { openServer } from "./openServer.ts";
import { toClose } from "./toClose.ts";

/** The key the client is opened with; no text that goes outside may hold "hidden". */
export const secretKey = "sk_test_hidden";
export type Handler = (req: Request, url: URL, nth: number) => Response | Promise<Response>;

/** A Clerk with scripted answers, which records the requests. */
export function fakeClerk(handler: Handler) {
  const requests: { url: URL; headers: Headers }[] = [];
  const server = openServer((req) => {
    const url = new URL(req.url);
    requests.push({ url, headers: req.headers });
    return handler(req, url, requests.length);
  });
  toClose.push(server.close);
  return { requests, apiUrl: server.origin };
}

export function openApi(apiUrl: string, options: Partial<ClerkApiOptions> = {}) {
  return createClerkApi({
    secretKey,
    apiUrl,
    log: silentLog,
    ...options,
    limits: { firstBackoffMs: 1, ...options.limits },
  });
}

/** The error that the work fails with. */
export async function failureOf(work: Promise<unknown>): Promise<AppError> {
  const error: unknown = await work.then(
    () => new Error("it succeeded"),
    (cause: unknown) => cause,
  );
  if (!(error instanceof AppError)) throw error;
  expect(error.message).not.toContain("hidden");
  return error;
}

/** An answer in the form of Clerk's errors. */
export const clerkError = (status: number, code: string) =>
  Response.json({ errors: [{ code, message: "m" }] }, { status });
