import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../shared/Button.tsx";
import type { Search } from "./useSearch.ts";

/** Finds a user by id. */
export function SearchForm({ search }: { search: Search }) {
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

/** The key `/` focuses the search, except while the operator types in a field. Returns how to stop. */
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
