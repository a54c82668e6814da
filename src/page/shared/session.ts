import { createContext } from "preact";

const storageKey = "clerk-neon-sync.admin-token";
/** Cookie of Clerk's script on the app's domain; the suffix names the instance. */
const clerkCookie = /(?:^|; )__session(?:_[\w-]+)?=([^;]+)/;

/** The admin token entered in this tab; else the Clerk session of this browser, if the page shares the app's domain. */
export function readToken(): string | undefined {
  return sessionStorage.getItem(storageKey) ?? clerkCookie.exec(document.cookie)?.[1];
}

/** For this tab only, until it is closed. */
export function storeToken(token: string): void {
  sessionStorage.setItem(storageKey, token);
}

/** Removes the admin token of this tab; a Clerk session is not ended. */
export function forgetToken(): void {
  sessionStorage.removeItem(storageKey);
}

/** Signs this tab out; the sign-in form shows the notice. */
export const SignOutContext = createContext<(notice: string | null) => void>(() => undefined);
