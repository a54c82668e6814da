import type { inferRouterOutputs } from "@trpc/server";
import type { AppRouter } from "../../trpc/client.ts";

type Outputs = inferRouterOutputs<AppRouter>;

export type SyncStatus = Outputs["sync"]["status"];
export type Alarm = SyncStatus["alarms"][number];
export type UserStatus = Outputs["sync"]["user"];
export type ResyncResult = Outputs["sync"]["resync"];
export type EventSummary = Outputs["events"]["list"]["items"][number];
export type EventHour = Outputs["events"]["series"]["items"][number];
export type LinkConflict = Outputs["links"]["conflicts"]["items"][number];
export type Candidate = LinkConflict["candidates"][number];
export type SyncRun = Outputs["runs"]["get"];

/** How a thing stands. Shown as a colour, and always as words beside it. */
export type Tone = "good" | "warn" | "bad" | "quiet";

/** As the server judges it. */
export const toneOf: Readonly<Record<Alarm["severity"], Tone>> = { critical: "bad", warning: "warn" };
