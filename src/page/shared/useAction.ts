import { useCallback, useContext, useState } from "preact/hooks";
import { toFailure, type Failure } from "./failure.ts";
import { SignOutContext } from "./session.ts";

/** One button's call to the server, with its state. */
export interface Action {
  readonly busy: boolean;
  readonly failure: Failure | null;
  /** Starts the call. If the token is no longer accepted, the tab is signed out. */
  readonly run: (work: () => Promise<void>) => void;
}

/** State of one button: busy during the call, `failure` after a failed one until the next. */
export function useAction(): Action {
  const signOut = useContext(SignOutContext);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = useCallback(
    (work: () => Promise<void>) => {
      setBusy(true);
      setFailure(null);
      work()
        .catch((error: unknown) => {
          const failure = toFailure(error);
          if (failure.kind === "signed_out") signOut(failure.text);
          else setFailure(failure);
        })
        .finally(() => setBusy(false));
    },
    [signOut],
  );
  return { busy, failure, run };
}
