import { AppError } from "../errors.ts";
import type { UserStatus } from "../domain/userStatus.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { withRefusals } from "../store/connection/refusal.ts";
import {
  listLinkConflicts,
  resolveLink,
  unlinkMentorado,
  type LinkConflict,
  type LinkDecision,
} from "../store/links/mentoradoLinks.ts";
import type { UserService } from "./userService.ts";

/** Link conflicts and an operator's decisions about them. */
export interface LinksService {
  /** In ascending order of `users.id`, after `afterUserId`. */
  readonly listConflicts: (page: {
    afterUserId: number;
    limit: number;
  }) => Promise<(LinkConflict & { userId: number })[]>;
  /**
   * Links a mentorado to a user; the user's former mentorado is released.
   * @throws AppError `not_found`, `refused`, or `conflict` if the mentorado belongs to another active user
   */
  readonly resolve: (input: {
    clerkId: string;
    mentoradoId: number;
    actor: string;
    requestId?: string | undefined;
  }) => Promise<UserStatus & { mentoradoId: number }>;
  /** Unlinks a mentorado from its user, to whom the sync links none until `resolve`. @throws AppError `not_found`, `refused` */
  readonly unlink: (input: {
    mentoradoId: number;
    actor: string;
    requestId?: string | undefined;
  }) => Promise<{ mentoradoId: number; clerkId: string | null }>;
}

/** Each decision is logged with its actor. */
export function createLinksService(deps: {
  database: Database;
  users: Pick<UserService, "getUser">;
  log: Log;
}): LinksService {
  const { database, users, log } = deps;
  return {
    listConflicts: (page) => listLinkConflicts(database, page),
    resolve: async (input) => {
      failOn(await withRefusals(database, () => resolveLink(database, input)));
      log.info(input, "[Links] An operator linked a mentorado");
      return { ...(await users.getUser(input.clerkId)), mentoradoId: input.mentoradoId };
    },
    unlink: async (input) => {
      const decision = failOn(await withRefusals(database, () => unlinkMentorado(database, input)));
      const clerkId = decision.clerkId ?? null;
      log.info({ ...input, clerkId }, "[Links] An operator unlinked a mentorado");
      return { mentoradoId: input.mentoradoId, clerkId };
    },
  };
}

function failOn(decision: LinkDecision): LinkDecision {
  switch (decision.error) {
    case null:
      return decision;
    case "user_not_found":
      throw new AppError("not_found", "No active user has this id.");
    case "mentorado_not_found":
      throw new AppError("not_found", "No mentorado has this id.");
    case "claimed":
      throw new AppError("conflict", "This mentorado belongs to another active user; unlink it first.");
  }
}
