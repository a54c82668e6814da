import { useCallback, useEffect, useState } from "preact/hooks";
import { clerkIdPattern } from "../../domain/clerkId.ts";

export interface Search {
  /** The user looked at, out of the address: `/#user_…` can be sent to a colleague. */
  readonly clerkId: string | null;
  /** Grows with each search, also for the same user. */
  readonly asked: number;
  /** Says what is wrong with what was typed, else looks it up. */
  readonly find: (typed: string) => string | null;
  readonly clear: () => void;
}

function readAddress(): string | null {
  const text = decodeURIComponent(location.hash.slice(1));
  return clerkIdPattern.test(text) ? text : null;
}

export function useSearch(): Search {
  const [clerkId, setClerkId] = useState(readAddress);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const onChange = () => {
      setClerkId(readAddress());
      setAsked((before) => before + 1);
    };
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);

  const find = useCallback((typed: string) => {
    const text = typed.trim();
    if (text.includes("@")) return "Look the address up in the Clerk dashboard and paste the user id from there.";
    if (!clerkIdPattern.test(text)) return "A Clerk user id looks like user_2b4Xc… It stands in the Clerk dashboard.";
    if (text === readAddress()) setAsked((before) => before + 1);
    else location.hash = text;
    return null;
  }, []);
  const clear = useCallback(() => {
    history.replaceState(null, "", location.pathname);
    setClerkId(null);
  }, []);
  return { clerkId, asked, find, clear };
}
