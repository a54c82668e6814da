// The simulated Clerk in a process of its own, so that what it costs is not in the memory and time that are measured.
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";

export type ClerkRequest = { readonly users: number } | "requestCount";
export type ClerkAnswer = Pick<FaultyClerk, "apiUrl" | "secretKey"> & { readonly requestCount: number };

let clerk: FaultyClerk | undefined;

process.on("message", (request: ClerkRequest) => {
  void answer(request).then((message) => process.send?.(message));
});
process.send?.("ready");

async function answer(request: ClerkRequest): Promise<ClerkAnswer> {
  if (request !== "requestCount") {
    clerk = await openFaultyClerk({
      ...request,
      secretKey: "sk_live_simulated",
      requestsPer10s: Number.POSITIVE_INFINITY,
    });
  }
  if (!clerk) throw new Error("No simulated Clerk has been opened");
  return { apiUrl: clerk.apiUrl, secretKey: clerk.secretKey, requestCount: clerk.requestCount() };
}
