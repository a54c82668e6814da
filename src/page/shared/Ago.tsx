import { useContext } from "preact/hooks";
import { NowContext } from "./clock.ts";
import { formatAgo } from "./format.ts";

/** `4m ago`; the exact time is the title. */
export function Ago({ at }: { at: string }) {
  const nowMs = useContext(NowContext);
  return (
    <time dateTime={at} title={at}>
      {formatAgo(Date.parse(at), nowMs)}
    </time>
  );
}
