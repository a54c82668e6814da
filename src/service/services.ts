import type { ClerkApi } from "../clerk/clerkApi.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/database.ts";
import { createFleetService, type FleetService } from "./fleetStatus.ts";
import { createUserService, type UserService } from "./userService.ts";

/** Everything the transports can ask for. */
export interface Services {
  readonly users: UserService;
  readonly fleet: FleetService;
}

export interface ServicesDeps {
  readonly database: Database;
  readonly clerk: ClerkApi;
  readonly log: Log;
  readonly defaultTurma: string;
}

export function createServices(deps: ServicesDeps): Services {
  return { users: createUserService(deps), fleet: createFleetService(deps) };
}
