import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import { toFailure, type Failure } from "./shared/failure.ts";
import { SignOutContext } from "./shared/session.ts";
import { client } from "./shared/syncClient.ts";
import type { EventHour, EventSummary, SyncStatus, LinkConflict, SyncRun } from "./shared/types.ts";

/** Poll interval while a run is going on; otherwise the page does not poll. */
const runPollMs = 1_500;
/** Older data is loaded again when the window gets focus. */
const freshMs = 10_000;
const firstRetryMs = 2_000;
const retryMsMax = 30_000;
const runsShown = 8;

/** Everything on the page except the panel of one user. */
export interface PageData {
  readonly status: SyncStatus;
  /** Hours with deliveries, oldest first. */
  readonly eventHours: readonly EventHour[];
  readonly dead: readonly EventSummary[];
  readonly conflicts: readonly LinkConflict[];
  readonly runs: readonly SyncRun[];
  /** Epoch milliseconds. */
  readonly loadedAtMs: number;
}

/** `PageData` with its loading state. */
export interface PageDataView {
  readonly data: PageData | null;
  readonly loading: boolean;
  /** Set while calls fail; the page retries by itself in `retryMs`. */
  readonly trouble: (Failure & { readonly retryMs: number }) | null;
  readonly refresh: () => void;
}

async function loadPageData(plotHours: number): Promise<PageData> {
  const [status, series, dead, conflicts, runs] = await Promise.all([
    client.sync.status.query(),
    client.events.series.query({ hours: plotHours }),
    client.events.list.query({ outcome: "dead" }),
    client.links.conflicts.query(),
    client.runs.list.query({ limit: runsShown }),
  ]);
  return {
    status,
    eventHours: series.items,
    dead: dead.items,
    conflicts: conflicts.items,
    runs: runs.items,
    loadedAtMs: Date.now(),
  };
}

/** Loads when the tab becomes visible or gets focus, retries with backoff, and polls while a run is going on. */
export function usePageData({ plotHours, visible }: { plotHours: number; visible: boolean }): PageDataView {
  const signOut = useContext(SignOutContext);
  const [data, setData] = useState<PageData | null>(null);
  const [trouble, setTrouble] = useState<PageDataView["trouble"]>(null);
  const [loading, setLoading] = useState(false);
  // Number of the newest request: an answer to an older one is dropped.
  const newest = useRef(0);

  const ask = useCallback(
    async (load: () => Promise<(before: PageData | null) => PageData | null>, options: { supersedes: boolean }) => {
      if (options.supersedes) newest.current += 1;
      const mine = newest.current;
      try {
        const toNext = await load();
        if (mine !== newest.current) return;
        setData(toNext);
        setTrouble(null);
      } catch (error) {
        if (mine !== newest.current) return;
        const failure = toFailure(error);
        if (failure.kind === "signed_out") signOut(failure.text);
        else
          setTrouble((before) => ({
            ...failure,
            retryMs: before ? Math.min(before.retryMs * 2, retryMsMax) : firstRetryMs,
          }));
      }
    },
    [signOut],
  );

  const refresh = useCallback(() => {
    setLoading(true);
    const load = async () => {
      const loaded = await loadPageData(plotHours);
      return () => loaded;
    };
    void ask(load, { supersedes: true }).finally(() => setLoading(false));
  }, [ask, plotHours]);

  useEffect(() => {
    if (visible) refresh();
  }, [visible, refresh]);

  const loadedAtMs = data?.loadedAtMs ?? 0;
  useEffect(() => {
    const onFocus = () => {
      if (Date.now() - loadedAtMs > freshMs) refresh();
    };
    addEventListener("focus", onFocus);
    return () => removeEventListener("focus", onFocus);
  }, [loadedAtMs, refresh]);

  useEffect(() => {
    if (!trouble || !visible) return undefined;
    const timer = setTimeout(refresh, trouble.retryMs);
    return () => clearTimeout(timer);
  }, [trouble, visible, refresh]);

  const running = data?.runs.some((run) => run.status === "running") ?? false;
  useEffect(() => {
    if (!running || !visible) return undefined;
    const load = async () => {
      const { items } = await client.runs.list.query({ limit: runsShown });
      return (before: PageData | null) => before && { ...before, runs: items };
    };
    const timer = setInterval(() => void ask(load, { supersedes: false }), runPollMs);
    return () => clearInterval(timer);
  }, [running, visible, ask]);

  const wasRunning = useRef(false);
  useEffect(() => {
    // A finished run changes every figure.
    if (wasRunning.current && !running) refresh();
    wasRunning.current = running;
  }, [running, refresh]);

  return { data, loading, trouble, refresh };
}
