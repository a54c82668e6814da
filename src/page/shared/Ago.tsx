import { useContext } from "preact/hooks";
import { NowContext } from "./clock.ts";
import { formatAgo } from "./format.ts";

/** `4m ago`, with the exact time (ISO 8601) as tooltip. */
export function Ago({ at }: { at: string }) {
  const nowMs = useContext(NowContext);
  return (
    <time dateTime={at} title={at}>
      {formatAgo(Date.parse(at), nowMs)}
    </time>
  );
}
