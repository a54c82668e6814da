import { createContext } from "preact";
import { useEffect, useState } from "preact/hooks";

/** How often words such as "4m ago" are looked at again. Nothing is asked of the server for it. */
const tickMs = 10_000;

/** Epoch milliseconds, moved on while the page is seen. */
export const NowContext = createContext(Date.now());

/** False while the tab is hidden: then nothing is asked of the server, so that the database may sleep. */
export function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const onChange = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", onChange);
    return () => document.removeEventListener("visibilitychange", onChange);
  }, []);
  return visible;
}

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
