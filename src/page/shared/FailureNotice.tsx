import type { Failure } from "./failure.ts";
import { Notice } from "./Notice.tsx";

/** Why the last action failed; renders nothing for null. */
export function FailureNotice({ failure }: { failure: Failure | null }) {
  return failure && <Notice tone="bad">{failure.text}</Notice>;
}
