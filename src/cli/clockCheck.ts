import { failure, ok, warning, type Check } from "./output.ts";

/** Clocks kept by NTP differ by far less. */
const warningSeconds = 30;
/** From 300 s on every delivery is rejected, and the difference grows. */
const failureSeconds = 240;

/** Compares this machine's clock with the `Date` headers of the answers that pass through `fetch`. */
export function createClockCheck() {
  let offsetSeconds: number | null = null;
  return {
    fetch: async (url: string, init: RequestInit): Promise<Response> => {
      const res = await fetch(url, init);
      const dateMs = Date.parse(res.headers.get("date") ?? "");
      // The header is cut off to whole seconds, by half a second on average.
      if (!Number.isNaN(dateMs)) offsetSeconds = Math.round((dateMs + 500 - Date.now()) / 1000);
      return res;
    },
    check: (): Check => {
      const name = "clock";
      if (offsetSeconds === null) return ok(name, "Clerk's answers have no date to compare it with");
      const seconds = Math.abs(offsetSeconds);
      if (seconds <= warningSeconds) return ok(name, `${seconds} s from Clerk's`);
      const text = `${seconds} s ${offsetSeconds > 0 ? "behind" : "ahead of"} Clerk's: synchronise it (NTP)`;
      if (seconds <= failureSeconds) return warning(name, `${text}; deliveries are rejected from 300 s on`);
      return failure(name, `${text}; deliveries more than 300 s off are rejected`);
    },
  };
}
