import { systemClock, type Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { requireClerk, type ClerkApi } from "../clerk/clerkApi.ts";
import { withDeadline } from "../clerk/withDeadline.ts";
import { toUserUpsert } from "../clerk/userChange.ts";
import type { UserStatus } from "../domain/userStatus.ts";
import type { UserService } from "./userService.ts";

export interface FirstLoginService {
  /**
   * What is known of a caller whose session is proved. One who is not here yet is fetched from Clerk and applied, once
   * for all who ask at the time.
   * @throws AppError `not_found` if Clerk does not know them either; what `ClerkApi` and the database throw
   */
  readonly getCaller: (clerkId: string, options?: { requestId?: string | undefined }) => Promise<UserStatus>;
}

export function createFirstLogin(deps: {
  /** Null: there is no `CLERK_SECRET_KEY`. */
  clerk: ClerkApi | null;
  users: Pick<UserService, "applyChanges" | "getUser">;
  clock?: Clock | undefined;
}): FirstLoginService {
  const { clerk, users, clock = systemClock } = deps;
  const arriving = new Map<string, Promise<void>>();

  async function fetchAndApply(clerkId: string, requestId: string | undefined): Promise<void> {
    const learnedAtMs = clock.nowMs();
    const user = await withDeadline(requireClerk(clerk), clock).getUser(clerkId);
    if (user === null) throw new AppError("not_found", "Neither Clerk nor the database knows this user.");
    await users.applyChanges([toUserUpsert(user, { source: "jit", learnedAtMs })], { requestId });
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
