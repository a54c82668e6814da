import { TRPCClientError } from "@trpc/client";
import type { AppRouter } from "../../trpc/client.ts";

/** A failed call, in words for the operator. */
export interface Failure {
  /** `signed_out`: the token is not accepted. `away`: a retry may succeed. `final`: it will not. */
  readonly kind: "signed_out" | "away" | "final";
  readonly text: string;
}

/** The tRPC error code of the answer; undefined if the server did not answer. */
export function findCode(error: unknown): string | undefined {
  return error instanceof TRPCClientError ? (error as TRPCClientError<AppRouter>).data?.code : undefined;
}

/** Keeps the texts of the server, which are made for clients, where no better one is known here. */
export function toFailure(error: unknown): Failure {
  const text = error instanceof Error ? error.message : "";
  switch (findCode(error)) {
    case "UNAUTHORIZED":
      return { kind: "signed_out", text: "The server does not accept this token." };
    case "FORBIDDEN":
      return { kind: "signed_out", text: "The user of this Clerk session does not have the role admin." };
    case undefined:
      return { kind: "away", text: "The server does not answer." };
    case "SERVICE_UNAVAILABLE":
    case "TOO_MANY_REQUESTS":
    case "TIMEOUT":
      return { kind: "away", text };
    default:
      return { kind: "final", text };
  }
}
