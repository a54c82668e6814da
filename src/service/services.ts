import type { ClerkApi } from "../clerk/clerkApi.ts";
import type { Clock } from "../clock.ts";
import type { SyncObserver } from "../domain/observer.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { createEventsService, type EventsService } from "./eventsService.ts";
import { createFirstLogin, type FirstLoginService } from "./firstLogin.ts";
import { createFleetService, type FleetService } from "./statusService.ts";
import { createLinksService, type LinksService } from "./linksService.ts";
import { createRunsService, type RunsService } from "./runs/runsService.ts";
import { createUserService, type UserService } from "./userService.ts";

/** Everything the transports can ask for. */
export interface Services {
  readonly users: UserService;
  readonly fleet: FleetService;
  readonly events: EventsService;
  readonly links: LinksService;
  readonly runs: RunsService;
  readonly firstLogin: FirstLoginService;
}

export interface ServicesDeps {
  readonly database: Database;
  readonly clerk: ClerkApi;
  readonly log: Log;
  readonly defaultTurma: string;
  /** When set, events that name another Clerk instance are ignored, also in a replay. */
  readonly clerkInstanceId?: string | undefined;
  readonly observer?: SyncObserver | undefined;
  /** By default the computer's. */
  readonly clock?: Clock | undefined;
}

export function createServices(deps: ServicesDeps): Services {
  const users = createUserService(deps);
  return {
    users,
    fleet: createFleetService(deps),
    events: createEventsService({ ...deps, users, instanceId: deps.clerkInstanceId }),
    links: createLinksService({ ...deps, users }),
    runs: createRunsService(deps),
    firstLogin: createFirstLogin({ ...deps, users }),
  };
}
