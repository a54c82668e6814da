import { useCallback, useContext, useState } from "preact/hooks";
import { toFailure, type Failure } from "./failure.ts";
import { LeaveContext } from "./session.ts";

export interface Action {
  readonly busy: boolean;
  readonly failure: Failure | null;
  /** Does the work unless some is going on; a lost session leads back to the token field. */
  readonly run: (work: () => Promise<void>) => void;
}

/** What a button does: busy while it lasts, and its failure afterwards. */
export function useAction(): Action {
  const leave = useContext(LeaveContext);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = useCallback(
    (work: () => Promise<void>) => {
      setBusy(true);
      setFailure(null);
      work()
        .catch((error: unknown) => {
          const failure = toFailure(error);
          if (failure.kind === "signed_out") leave(failure.text);
          else setFailure(failure);
        })
        .finally(() => setBusy(false));
    },
    [leave],
  );
  return { busy, failure, run };
}
