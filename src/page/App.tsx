import { useCallback, useState } from "preact/hooks";
import { Console } from "./Console.tsx";
import { forgetToken, readToken, SignOutContext, storeToken } from "./shared/session.ts";
import { SignIn } from "./signIn/SignIn.tsx";

/** The operator page: the sign-in form until this tab has a token, then the console. */
export function App() {
  const [isSignedIn, setIsSignedIn] = useState(readToken() !== undefined);
  const [notice, setNotice] = useState<string | null>(null);
  const signOut = useCallback((why: string | null) => {
    forgetToken();
    setNotice(why);
    setIsSignedIn(false);
  }, []);
  const signIn = useCallback((token: string) => {
    storeToken(token);
    setIsSignedIn(true);
  }, []);
  if (!isSignedIn) return <SignIn notice={notice} onToken={signIn} />;
  return (
    <SignOutContext.Provider value={signOut}>
      <Console />
    </SignOutContext.Provider>
  );
}
