import type { inferRouterOutputs } from "@trpc/server";
import type { AppRouter } from "../../trpc/client.ts";

type Outputs = inferRouterOutputs<AppRouter>;

/** Answer of `sync.status`. */
export type SyncStatus = Outputs["sync"]["status"];
/** One of the alarms in `sync.status`. */
export type Alarm = SyncStatus["alarms"][number];
/** Answer of `sync.user`. */
export type UserStatus = Outputs["sync"]["user"];
/** Answer of `sync.resync`. */
export type ResyncResult = Outputs["sync"]["resync"];
/** An event in `events.list`, without its payload. */
export type EventSummary = Outputs["events"]["list"]["items"][number];
/** One hour of `events.series`; hours without deliveries are absent. */
export type EventHour = Outputs["events"]["series"]["items"][number];
/** A user in `links.conflicts`. */
export type LinkConflict = Outputs["links"]["conflicts"]["items"][number];
/** A mentorado that has the address of a user in conflict. */
export type Candidate = LinkConflict["candidates"][number];
/** Answer of `runs.get`. */
export type SyncRun = Outputs["runs"]["get"];

/** What a colour means; the same is always written beside it. */
export type Tone = "good" | "warn" | "bad" | "quiet";

/** Tone of an alarm. */
export const toneOf: Readonly<Record<Alarm["severity"], Tone>> = { critical: "bad", warning: "warn" };
