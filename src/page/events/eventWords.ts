import type { EventSummary, Tone } from "../shared/types.ts";

type OutcomeShown = EventSummary["outcome"] | "duplicate";

/** Colour and meaning of each outcome. */
export const outcomeWords: Readonly<Record<OutcomeShown, { tone: Tone; meaning: string }>> = {
  applied: { tone: "good", meaning: "written" },
  unchanged: { tone: "quiet", meaning: "nothing differed" },
  stale: { tone: "quiet", meaning: "older than what is stored, or the user is deleted" },
  duplicate: { tone: "quiet", meaning: "settled before" },
  ignored: { tone: "quiet", meaning: "another type or instance" },
  dead: { tone: "bad", meaning: "invalid, or refused by a rule of the database" },
};

const deadWords: Readonly<Record<string, string>> = {
  not_json: "The text is not JSON.",
  not_an_event: "It is JSON without a type, so it is not a Clerk event.",
  no_user_id: "It is about a user and has no usable user id.",
  nested_too_deep: "Its JSON is nested deeper than Postgres can read.",
  apply_failed: "The database refused it, under version 0.1. A retry or Replay applies it when nothing is in the way.",
};

/** Why an event is dead. */
export function explainDead(event: EventSummary): string {
  const code = event.errorCode ?? "unknown";
  if (code === "refused") {
    const rule = event.errorDetail ?? "a constraint or trigger";
    return `The database refused it: ${rule}. Svix retries for about a day; when nothing is in the way any more, a retry or Replay applies it.`;
  }
  return deadWords[code] ?? `It could not be applied (${code}).`;
}

/** The result of a replay in a sentence. */
export function explainReplay({ svixId, outcome }: { svixId: string; outcome: string }): string {
  return outcome === "dead"
    ? `${svixId} was replayed and is still dead: its cause is not fixed.`
    : `${svixId} was replayed: ${outcome}.`;
}
