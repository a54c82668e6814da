import type { FleetService } from "./fleetStatus.ts";
import type { UserService } from "./userService.ts";

/** Everything the transports can ask for. */
export interface Services {
  readonly users: UserService;
  readonly fleet: FleetService;
}
