import type { EventSummary, Tone } from "../shared/types.ts";

type OutcomeShown = EventSummary["outcome"] | "duplicate";

/** In the order in which the plot stacks them. */
export const outcomeWords: Readonly<Record<OutcomeShown, { tone: Tone; meaning: string }>> = {
  applied: { tone: "good", meaning: "written" },
  unchanged: { tone: "quiet", meaning: "nothing differed" },
  stale: { tone: "quiet", meaning: "older than what is stored, or the user is deleted" },
  duplicate: { tone: "quiet", meaning: "settled before" },
  ignored: { tone: "quiet", meaning: "another type or instance" },
  dead: { tone: "bad", meaning: "cannot be applied" },
};

const deadWords: Readonly<Record<string, string>> = {
  not_json: "The text is not JSON.",
  not_an_event: "It is JSON but no Clerk event: it has no type.",
  no_user_id: "An event about a user that holds no usable user id.",
};

/** Why an event is dead. */
export function explainDead(event: EventSummary): string {
  const code = event.errorCode ?? "unknown";
  if (code === "refused") {
    const rule = event.errorDetail ?? "a constraint or trigger";
    return `A rule of the database refuses it: ${rule}. Svix sends it again; once the rule is out of the way, Replay applies it.`;
  }
  return deadWords[code] ?? `It could not be applied (${code}).`;
}

export function explainReplay({ svixId, outcome }: { svixId: string; outcome: string }): string {
  return outcome === "dead"
    ? `${svixId} was replayed and is still dead: its cause is not fixed.`
    : `${svixId} was replayed: ${outcome}.`;
}
