import { createContext } from "preact";
import { useEffect, useState } from "preact/hooks";

/** How often texts such as "4m ago" are updated; no request is made for it. */
const tickMs = 10_000;

/** The current time in epoch milliseconds, updated while the tab is visible. */
export const NowContext = createContext(Date.now());

/** False while the tab is hidden: the page then sends no request, so that the database can sleep. */
export function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const onChange = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", onChange);
    return () => document.removeEventListener("visibilitychange", onChange);
  }, []);
  return visible;
}

/** The value of `NowContext`: epoch milliseconds, every 10 s while `visible`. */
export function useNow(visible: boolean): number {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    if (!visible) return undefined;
    setNowMs(Date.now());
    const timer = setInterval(() => setNowMs(Date.now()), tickMs);
    return () => clearInterval(timer);
  }, [visible]);
  return nowMs;
}
