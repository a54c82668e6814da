import { systemClock, type Clock } from "../clock.ts";
import { AppError, errorTexts } from "../errors.ts";
import { requireClerk, type ClerkApi } from "../clerk/clerkApi.ts";
import { withDeadline } from "../clerk/withDeadline.ts";
import { toUserUpsert } from "../clerk/userChange.ts";
import type { UserStatus } from "../domain/userStatus.ts";
import type { InstanceCheck } from "./instanceCheck.ts";
import type { UserService } from "./userService.ts";

export interface FirstLoginService {
  /**
   * What is known of a caller whose session is proved. One who is not here yet is fetched from Clerk and applied, once
   * for all who ask at the time.
   * @throws AppError `not_found` if Clerk does not know them either; what `ClerkApi`, `InstanceCheck` and the database throw
   */
  readonly getCaller: (clerkId: string, options?: { requestId?: string | undefined }) => Promise<UserStatus>;
}

export function createFirstLogin(deps: {
  /** Null: there is no `CLERK_SECRET_KEY`. */
  clerk: ClerkApi | null;
  instanceCheck: InstanceCheck;
  users: Pick<UserService, "applyChange" | "getUser">;
  clock?: Clock | undefined;
}): FirstLoginService {
  const { clerk, instanceCheck, users, clock = systemClock } = deps;
  const arriving = new Map<string, Promise<void>>();

  async function fetchAndApply(clerkId: string, requestId: string | undefined): Promise<void> {
    const learnedAtMs = clock.nowMs();
    const asking = withDeadline(requireClerk(clerk), clock);
    const [user, instance] = await Promise.all([asking.getUser(clerkId), instanceCheck.requireSameInstance(asking)]);
    if (user === null) throw new AppError("not_found", errorTexts.unknownUser);
    if (instance === "unexpected") await instanceCheck.requireKnownUser(asking, { except: clerkId });
    await users.applyChange(toUserUpsert(user, { source: "jit", learnedAtMs }), { requestId });
  }

  function arrive(clerkId: string, requestId: string | undefined): Promise<void> {
    const known = arriving.get(clerkId);
    if (known) return known;
    const arrival = fetchAndApply(clerkId, requestId).finally(() => arriving.delete(clerkId));
    arriving.set(clerkId, arrival);
    return arrival;
  }

  return {
    getCaller: async (clerkId, { requestId } = {}) => {
      const status = await users.getUser(clerkId);
      if (status.state !== "missing") return status;
      await arrive(clerkId, requestId);
      return users.getUser(clerkId);
    },
  };
}
