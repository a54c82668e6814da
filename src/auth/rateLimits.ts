import { isIPv6 } from "node:net";
import { AppError } from "../errors.ts";
import { createRateLimit } from "../rateLimit.ts";

/** Limits of one process; with more replicas more calls are allowed in total. */
export interface RateLimitOptions {
  /** Per client address. Bounds the cost of misconfigured clients; a token of 32 characters is never guessed anyway. */
  readonly failuresPerMinute: number;
  /** For all calls with the admin token. Far above what scripts and the operator page need; stops an endless loop. */
  readonly machineCallsPer10s: number;
  /** Per user; a browser makes a few calls a second. */
  readonly sessionCallsPer10s: number;
}

/** Values in production; their reasons are at the fields above. */
export const defaultRateLimits: RateLimitOptions = {
  failuresPerMinute: 300,
  machineCallsPer10s: 30_000,
  sessionCallsPer10s: 1_000,
};

/** Counts calls and failed authentications, and rejects those beyond the limits. */
export interface RateLimits {
  /** @throws AppError `too_many_requests` once the address has failed too often in this minute */
  readonly countFailure: (clientAddress: string) => Promise<void>;
  /** Counts one call; each call of a batch counts. @throws AppError `too_many_requests` */
  readonly countCall: (caller: { kind: "machine" } | { kind: "session"; clerkId: string }) => Promise<void>;
}

/**
 * Webhooks and health checks are never counted. Failures from an address do not block a valid token from it: behind a
 * proxy all clients have the same address, and an outsider must not be able to lock the operators out.
 */
export function createRateLimits(options: RateLimitOptions = defaultRateLimits): RateLimits {
  const failed = "Too many failed attempts to authenticate.";
  const busy = "Too many calls.";
  const countFailure = createLimit({ usesMax: options.failuresPerMinute, windowSeconds: 60 }, failed);
  const countMachine = createLimit({ usesMax: options.machineCallsPer10s, windowSeconds: 10 }, busy);
  const countSession = createLimit({ usesMax: options.sessionCallsPer10s, windowSeconds: 10 }, busy);
  return {
    countFailure: (clientAddress) => countFailure(toAddressKey(clientAddress)),
    countCall: (caller) => (caller.kind === "machine" ? countMachine("machine") : countSession(caller.clerkId)),
  };
}

function createLimit(options: Parameters<typeof createRateLimit>[0], message: string): (key: string) => Promise<void> {
  const count = createRateLimit(options);
  return async (key) => {
    const waitMs = await count(key);
    if (waitMs > 0) throw new AppError("too_many_requests", message, { retryAfterSeconds: Math.ceil(waitMs / 1000) });
  };
}

/** An IPv6 client counts by its /64 network, in which it can take any address; a mapped IPv4 address as IPv4. */
export function toAddressKey(clientAddress: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(clientAddress)?.[1];
  if (mapped !== undefined || !isIPv6(clientAddress)) return mapped ?? clientAddress;
  const [head = "", tail] = (clientAddress.split("%")[0] ?? "").split("::");
  const groups = head.split(":").filter(Boolean);
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(":").filter(Boolean).length;
  const whole = [...groups, ...Array<string>(missing).fill("0"), ...(tail ?? "").split(":").filter(Boolean)];
  return `${whole
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
