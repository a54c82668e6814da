import { useCallback, useState } from "preact/hooks";
import { Console } from "./Console.tsx";
import { forgetToken, LeaveContext, readToken, storeToken } from "./shared/session.ts";
import { SignIn } from "./signIn/SignIn.tsx";

/** The token first, everything else behind it. */
export function App() {
  const [isIn, setIsIn] = useState(readToken() !== undefined);
  const [notice, setNotice] = useState<string | null>(null);
  const leave = useCallback((why: string | null) => {
    forgetToken();
    setNotice(why);
    setIsIn(false);
  }, []);
  const enter = useCallback((token: string) => {
    storeToken(token);
    setIsIn(true);
  }, []);
  if (!isIn) return <SignIn notice={notice} onToken={enter} />;
  return (
    <LeaveContext.Provider value={leave}>
      <Console />
    </LeaveContext.Provider>
  );
}
