import { useContext } from "preact/hooks";
import { formatMs } from "../../domain/format.ts";
import { SignOutContext } from "../shared/session.ts";
import { Ago } from "../shared/Ago.tsx";
import { Button } from "../shared/Button.tsx";
import type { PageDataView } from "../usePageData.ts";
import { SearchForm } from "../user/SearchForm.tsx";
import type { Search } from "../user/useSearch.ts";

/** Sticky bar: the search, the age of the figures, and whether the server answers. */
export function Header({ view, search }: { view: PageDataView; search: Search }) {
  const { data, loading, trouble, refresh } = view;
  const signOut = useContext(SignOutContext);
  return (
    <header class="bar">
      <h1>clerk-neon-sync</h1>
      <SearchForm search={search} />
      <div class="bar-end">
        <span class="muted small updated">
          {data ? (
            <>
              Updated <Ago at={new Date(data.loadedAtMs).toISOString()} />
            </>
          ) : (
            "Loading…"
          )}
        </span>
        <Button onClick={refresh} busy={loading}>
          Refresh
        </Button>
        <Button kind="bare" onClick={() => signOut(null)}>
          Sign out
        </Button>
      </div>
      {trouble && (
        <p class="trouble" role="alert">
          <strong>{trouble.text}</strong> Trying again in {formatMs(trouble.retryMs)}.
        </p>
      )}
    </header>
  );
}
