import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { formatMs } from "../shared/format.ts";
import { LeaveContext } from "../shared/session.ts";
import { Ago, Button } from "../shared/ui.tsx";
import type { PageDataView } from "../usePageData.ts";
import type { Search } from "../user/useSearch.ts";

/** Always in sight: the search, how old the figures are, and whether the server answers. */
export function Header({ view, search }: { view: PageDataView; search: Search }) {
  const { data, loading, trouble, refresh } = view;
  const leave = useContext(LeaveContext);
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
        <Button kind="bare" onClick={() => leave(null)}>
          Sign out
        </Button>
      </div>
      {trouble && (
        <p class="trouble" role="alert">
          <strong>{trouble.text}</strong> Trying again every {formatMs(trouble.retryMs)}.
        </p>
      )}
    </header>
  );
}

function SearchForm({ search }: { search: Search }) {
  const field = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    if (field.current && search.clerkId !== null) field.current.value = search.clerkId;
    setProblem(null);
  }, [search.clerkId]);
  useEffect(() => focusOnSlash(() => field.current), []);

  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        setProblem(search.find(field.current?.value ?? ""));
      }}
    >
      <label for="user-id">User id</label>
      <input
        id="user-id"
        ref={field}
        type="search"
        placeholder="user_…"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={problem !== null}
        aria-describedby="user-id-problem"
        aria-keyshortcuts="/"
      />
      <Button type="submit">Find</Button>
      <p id="user-id-problem" class="problem" role="alert">
        {problem}
      </p>
    </form>
  );
}

/** `/` leads to the search from wherever nothing is being typed. */
function focusOnSlash(findField: () => HTMLInputElement | null): () => void {
  const onKey = (event: KeyboardEvent) => {
    const typing = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    findField()?.focus();
    findField()?.select();
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
