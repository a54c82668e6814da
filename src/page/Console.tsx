import { useState } from "preact/hooks";
import { NowContext, useNow, useVisible } from "./shared/clock.ts";
import { Alarms } from "./status/Alarms.tsx";
import { Conflicts } from "./conflicts/Conflicts.tsx";
import { DeadEvents } from "./events/DeadEvents.tsx";
import { Deliveries } from "./events/Deliveries.tsx";
import { Header } from "./status/Header.tsx";
import { Health } from "./status/Health.tsx";
import { Ledger } from "./events/Ledger.tsx";
import { Runs } from "./runs/Runs.tsx";
import { usePageData } from "./usePageData.ts";
import { useSearch } from "./user/useSearch.ts";
import { UserPanel } from "./user/UserPanel.tsx";

const plotHoursDefault = 48;

/** The page once signed in: alarms, the user searched for, figures, what needs a decision, deliveries, runs, ledger. */
export function Console() {
  const visible = useVisible();
  const nowMs = useNow(visible);
  const [plotHours, setPlotHours] = useState(plotHoursDefault);
  const view = usePageData({ plotHours, visible });
  const { data, refresh } = view;
  const search = useSearch();

  return (
    <NowContext.Provider value={Math.max(nowMs, data?.loadedAtMs ?? 0)}>
      <Header view={view} search={search} />
      <main>
        <Alarms status={data && data.status} />
        {search.clerkId !== null && (
          <UserPanel
            key={`${search.clerkId} ${search.asked}`}
            clerkId={search.clerkId}
            conflict={data?.conflicts.find((conflict) => conflict.clerkId === search.clerkId)}
            loadedAtMs={data?.loadedAtMs ?? null}
            onChanged={refresh}
            onClose={search.clear}
          />
        )}
        <Health data={data} />
        <div class="columns">
          <DeadEvents data={data} onChanged={refresh} />
          <Conflicts data={data} onChanged={refresh} />
        </div>
        <Deliveries data={data} hours={plotHours} onHours={setPlotHours} />
        <Runs data={data} onChanged={refresh} />
        <Ledger loadedAtMs={data?.loadedAtMs ?? null} onChanged={refresh} />
      </main>
    </NowContext.Provider>
  );
}
