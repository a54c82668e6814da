import {
  openSimulatedClerk,
  type SimulatedClerk,
  type SimulatedClerkOptions,
} from "../../src/dev/clerk/simulatedClerk.ts";

/**
 * How a simulated Clerk can fail. `slow`: the answer comes `ms` later; `html`: a proxy's page
 * with status 200; `error`: 500; `cut`: half of the answer, then the connection ends; `unauthorized`: the key was
 * revoked; `empty`: as if it had no users.
 */
type ClerkFault =
  | { readonly kind: "html" | "error" | "cut" | "unauthorized" | "empty" }
  | { readonly kind: "slow"; readonly ms: number };

export interface FaultyClerk extends SimulatedClerk {
  /** From now on the API fails in this way; `undefined`: it works again. */
  readonly setFault: (fault: ClerkFault | undefined) => void;
  /** Requests that reached the API, the refused ones included. */
  readonly requestCount: () => number;
}

/** A simulated Clerk that can be made to fail. */
export async function openFaultyClerk(options: SimulatedClerkOptions = {}): Promise<FaultyClerk> {
  let fault: ClerkFault | undefined;
  let requests = 0;
  const clerk = await openSimulatedClerk({
    ...options,
    answerAround: (answer) => {
      requests++;
      return answerWith(fault, answer);
    },
  });
  return {
    ...clerk,
    setFault: (next) => {
      fault = next;
    },
    requestCount: () => requests,
  };
}

/** Answers with the fault in place of, or around, the real answer. */
async function answerWith(fault: ClerkFault | undefined, answer: () => Promise<Response>): Promise<Response> {
  switch (fault?.kind) {
    case undefined:
      return answer();
    case "slow":
      await Bun.sleep(fault.ms);
      return answer();
    case "html":
      return new Response("<!doctype html><title>Just a moment…</title>", { headers: { "content-type": "text/html" } });
    case "error":
      return new Response(JSON.stringify({ errors: [{ message: "Oops", code: "internal_clerk_error" }] }), {
        status: 500,
        headers: { "content-type": "application/json" },
      });
    case "unauthorized":
      return new Response(JSON.stringify({ errors: [{ message: "revoked", code: "clerk_key_invalid" }] }), {
        status: 401,
        headers: { "content-type": "application/json" },
      });
    case "empty":
      return emptied(await answer());
    case "cut":
      return cut(await answer());
  }
}

async function emptied(res: Response): Promise<Response> {
  const body: unknown = await res.json();
  const none = Array.isArray(body) ? [] : { object: "total_count", total_count: 0 };
  const isUser = typeof body === "object" && body !== null && "id" in body;
  return new Response(
    JSON.stringify(isUser ? { errors: [{ code: "resource_not_found", message: "not found" }] } : none),
    {
      status: isUser ? 404 : res.status,
      headers: { "content-type": "application/json" },
    },
  );
}

async function cut(res: Response): Promise<Response> {
  const bytes = new TextEncoder().encode(await res.text());
  const half = new ReadableStream({
    start: async (controller) => {
      controller.enqueue(bytes.slice(0, Math.ceil(bytes.length / 2)));
      await Bun.sleep(10);
      // Resets the connection; with a reason, Bun would print it.
      controller.error();
    },
  });
  return new Response(half, { status: res.status, headers: { "content-type": "application/json" } });
}
