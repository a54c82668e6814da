import type { EventsService } from "./eventsService.ts";
import type { FirstLoginService } from "./firstLogin.ts";
import type { LinksService } from "./linksService.ts";
import type { RunsService } from "./runs/runsService.ts";
import type { StatusService } from "./statusService.ts";
import type { UserService } from "./userService.ts";

/** All services that the transports use; built by `createServices` in `src/compose.ts`. */
export interface Services {
  readonly users: UserService;
  readonly status: StatusService;
  readonly events: EventsService;
  readonly links: LinksService;
  readonly runs: RunsService;
  readonly firstLogin: FirstLoginService;
}
