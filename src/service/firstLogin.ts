import { systemClock, type Clock } from "../clock.ts";
import { AppError, errorTexts } from "../errors.ts";
import { requireClerk, type ClerkApi } from "../clerk/clerkApi.ts";
import { withDeadline } from "../clerk/withDeadline.ts";
import { toUserUpsert } from "../clerk/userChange.ts";
import type { UserStatus } from "../domain/userStatus.ts";
import type { InstanceCheck } from "./instanceCheck.ts";
import type { UserService } from "./userService.ts";

/** The service behind `me.get`. */
export interface FirstLoginService {
  /**
   * Status of an authenticated caller. A user who is not stored yet is fetched from Clerk and applied; concurrent calls
   * share that fetch.
   * @throws AppError `not_found` if Clerk does not know the user either; errors of `ClerkApi`, `InstanceCheck` and the
   * database
   */
  readonly getCaller: (clerkId: string, options?: { requestId?: string | undefined }) => Promise<UserStatus>;
}

/** Makes one fetch per user at a time. */
export function createFirstLogin(deps: {
  /** Null: `CLERK_SECRET_KEY` is not set. */
  clerk: ClerkApi | null;
  instanceCheck: InstanceCheck;
  users: Pick<UserService, "applyChange" | "getUser">;
  clock?: Clock | undefined;
}): FirstLoginService {
  const { clerk, instanceCheck, users, clock = systemClock } = deps;
  const inFlight = new Map<string, Promise<void>>();

  async function fetchAndApply(clerkId: string, requestId: string | undefined): Promise<void> {
    const requestedAtMs = clock.nowMs();
    const client = withDeadline(requireClerk(clerk), clock);
    const [user, instance] = await Promise.all([
      client.getUser(clerkId),
      // A first login deletes nothing, so a remembered match is enough; it saves requests while many users sign up.
      instanceCheck.requireSameInstance(client, { mayBeRemembered: true }),
    ]);
    if (user === null) throw new AppError("not_found", errorTexts.unknownUser);
    if (instance === "unexpected") await instanceCheck.requireKnownUser(client, { except: clerkId });
    await users.applyChange(toUserUpsert(user, { source: "jit", requestedAtMs }), { requestId });
  }

  function fetchOnce(clerkId: string, requestId: string | undefined): Promise<void> {
    const known = inFlight.get(clerkId);
    if (known) return known;
    const fetching = fetchAndApply(clerkId, requestId).finally(() => inFlight.delete(clerkId));
    inFlight.set(clerkId, fetching);
    return fetching;
  }

  return {
    getCaller: async (clerkId, { requestId } = {}) => {
      const status = await users.getUser(clerkId);
      if (status.state !== "missing") return status;
      await fetchOnce(clerkId, requestId);
      return users.getUser(clerkId);
    },
  };
}
