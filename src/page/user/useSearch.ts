import { useCallback, useEffect, useState } from "preact/hooks";
import { clerkIdPattern } from "../../domain/clerkId.ts";

/** The search for one user. */
export interface Search {
  /** The user shown, from the hash of the address, so that `/#user_…` is a link to share. */
  readonly clerkId: string | null;
  /** Number of searches, repeated ones included. */
  readonly asked: number;
  /** Starts a search; returns what is wrong with the input, or null. */
  readonly find: (typed: string) => string | null;
  readonly clear: () => void;
}

function readAddress(): string | null {
  const text = decodeURIComponent(location.hash.slice(1));
  return clerkIdPattern.test(text) ? text : null;
}

/** Keeps the search in the hash of the address. */
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
    if (!clerkIdPattern.test(text)) return "A Clerk user id looks like user_2b4Xc… Copy it from the Clerk dashboard.";
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
