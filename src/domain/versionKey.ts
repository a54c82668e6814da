/** Digits of an epoch-millisecond number up to the year 9999. */
const msDigits = 15;

/**
 * A user's version as text whose bytewise order is the order of versions: by `data.updated_at`. If equal, an answer of
 * the Backend API is newer than any event, and events are ordered by envelope `timestamp`, then by svix-id.
 */
export function toVersionKey(version: {
  updatedAtMs: number;
  fromApi: boolean;
  envelopeMs?: number | null;
  svixId?: string;
}): string {
  const rank = version.fromApi ? 1 : 0;
  return `${pad(version.updatedAtMs)}:${rank}:${pad(version.envelopeMs ?? 0)}:${version.svixId ?? ""}`;
}

function pad(ms: number): string {
  return String(Math.trunc(ms)).padStart(msDigits, "0");
}
