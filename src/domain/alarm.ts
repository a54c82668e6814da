/** Codes of all alarms: a stable interface for monitoring. */
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

/** One of `alarmCodes`. */
export type AlarmCode = (typeof alarmCodes)[number];

/** Text for the first day after the installation, on which a missing webhook is not an alarm yet. */
export const noWebhookYet = "No webhook has arrived yet; add the endpoint in Clerk's dashboard.";

/** Text for alarm, log and `/readyz`. @param offsetSeconds by how much the senders' clocks are ahead of this one */
export function toClockText(offsetSeconds: number): string {
  const direction = offsetSeconds > 0 ? "slow" : "fast";
  return `The server's clock is about ${Math.abs(offsetSeconds)} s ${direction}, so deliveries are rejected for their timestamp; synchronise it (NTP)`;
}

/** A condition that an operator has to act on. At most one alarm per code. */
export interface Alarm {
  readonly code: AlarmCode;
  /** `critical`: users are missing or will be, or no webhook arrives. */
  readonly severity: "warning" | "critical";
  /** Start of the condition, ISO 8601; null if unknown. */
  readonly since: string | null;
  /** One sentence: what is wrong and what to do. Contains names and ids, never an e-mail address. */
  readonly text: string;
}
