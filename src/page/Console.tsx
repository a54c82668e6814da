import { useState } from "preact/hooks";
import { findAlarms } from "./alarms.ts";
import { NowContext, useNow, useVisible } from "./clock.ts";
import { Conflicts } from "./Conflicts.tsx";
import { DeadEvents } from "./DeadEvents.tsx";
import { Deliveries } from "./Deliveries.tsx";
import { Header } from "./Header.tsx";
import { Health } from "./Health.tsx";
import { Ledger } from "./Ledger.tsx";
import { Runs } from "./Runs.tsx";
import { useFleet } from "./useFleet.ts";
import { useSearch } from "./useSearch.ts";
import { UserPanel } from "./UserPanel.tsx";
import { Verdict } from "./Verdict.tsx";

const plotHoursFirst = 48;

/** Everything an operator sees: health, what needs a decision, one user, the deliveries, the runs, the ledger. */
export function Console() {
  const visible = useVisible();
  const nowMs = useNow(visible);
  const [plotHours, setPlotHours] = useState(plotHoursFirst);
  const view = useFleet({ plotHours, visible });
  const { fleet, refresh } = view;
  const search = useSearch();

  return (
    <NowContext.Provider value={Math.max(nowMs, fleet?.loadedAtMs ?? 0)}>
      <Header view={view} search={search} />
      <main>
        <Verdict alarms={fleet && findAlarms(fleet, Math.max(nowMs, fleet.loadedAtMs))} />
        {search.clerkId !== null && (
          <UserPanel
            key={`${search.clerkId} ${search.asked}`}
            clerkId={search.clerkId}
            conflict={fleet?.conflicts.find((conflict) => conflict.clerkId === search.clerkId)}
            loadedAtMs={fleet?.loadedAtMs ?? null}
            onChanged={refresh}
            onClose={search.clear}
          />
        )}
        <Health fleet={fleet} />
        <div class="columns">
          <DeadEvents fleet={fleet} onChanged={refresh} />
          <Conflicts fleet={fleet} onChanged={refresh} />
        </div>
        <Deliveries fleet={fleet} hours={plotHours} onHours={setPlotHours} />
        <Runs fleet={fleet} onChanged={refresh} />
        <Ledger loadedAtMs={fleet?.loadedAtMs ?? null} onChanged={refresh} />
      </main>
    </NowContext.Provider>
  );
}
