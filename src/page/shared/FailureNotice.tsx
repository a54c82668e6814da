import type { Failure } from "./failure.ts";
import { Notice } from "./Notice.tsx";

/** Why the last action failed; nothing if it did not. */
export function FailureNotice({ failure }: { failure: Failure | null }) {
  return failure && <Notice tone="bad">{failure.text}</Notice>;
}
