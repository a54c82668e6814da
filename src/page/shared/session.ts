import { createContext } from "preact";

const storageKey = "clerk-neon-sync.admin-token";
/** The cookie that Clerk's own script keeps on the domain of the app; a suffix names the instance. */
const clerkCookie = /(?:^|; )__session(?:_[\w-]+)?=([^;]+)/;

/** The admin token entered in this tab; else the Clerk session of this browser, if the page shares the app's domain. */
export function readToken(): string | undefined {
  return sessionStorage.getItem(storageKey) ?? clerkCookie.exec(document.cookie)?.[1];
}

/** Kept for this tab only, and gone with it. */
export function storeToken(token: string): void {
  sessionStorage.setItem(storageKey, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(storageKey);
}

/** Ends the session of this tab and says why on the way out. */
export const LeaveContext = createContext<(notice: string | null) => void>(() => undefined);
