/** What can be wrong with the sync, by a name that monitors may rely on. */
export const alarmCodes = [
  "silence",
  "refused_events",
  "dead_events",
  "conflicts",
  "failed_run",
  "wrong_key",
  "drift",
  "lag",
  "clock",
  "rehearsal",
  "default_turma",
] as const;

export type AlarmCode = (typeof alarmCodes)[number];

/** Something that an operator has to settle. At most one of a code at a time. */
export interface Alarm {
  readonly code: AlarmCode;
  /** `critical`: users are or will be missing, or nothing arrives. */
  readonly severity: "warning" | "critical";
  /** Since when, ISO 8601; null where that is unknown. */
  readonly since: string | null;
  /** One sentence: what is wrong, and what to do. Names and ids, no address. */
  readonly text: string;
}
