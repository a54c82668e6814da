import { useState } from "preact/hooks";
import { Candidates } from "./Candidates.tsx";
import { formatCount } from "../../domain/format.ts";
import { Empty } from "../shared/Empty.tsx";
import { Notice } from "../shared/Notice.tsx";
import { Section } from "../shared/Section.tsx";
import { UserLink } from "../shared/UserLink.tsx";
import type { PageData } from "../usePageData.ts";
import { explainConflict } from "./conflictWords.ts";

/** Users in conflict, each with the mentorados that have the address. */
export function Conflicts({ data, onChanged }: { data: PageData | null; onChanged: () => void }) {
  const [done, setDone] = useState<string | null>(null);
  const total = data?.status.links.conflict ?? 0;
  const conflicts = data?.conflicts ?? [];
  return (
    <Section id="conflicts" title="Conflicts" count={Math.max(total, conflicts.length)}>
      {conflicts.length > 0 && (
        <p class="muted lead">The sync could not decide which mentorado belongs to these users. Choose one for each.</p>
      )}
      {done !== null && (
        <Notice tone="good" takesFocus>
          {done}
        </Notice>
      )}
      {data && conflicts.length === 0 && <Empty good>None. Every verified address found its mentorado.</Empty>}
      <ol class="rows">
        {conflicts.map((conflict) => (
          <li class="row" key={conflict.clerkId}>
            <div class="row-main">
              <p class="row-title">
                <strong>{conflict.email ?? "no e-mail"}</strong>
                <UserLink clerkId={conflict.clerkId} />
              </p>
              <p>{explainConflict(conflict)}</p>
            </div>
            <Candidates
              clerkId={conflict.clerkId}
              candidates={conflict.candidates}
              onDone={(text) => {
                setDone(text);
                onChanged();
              }}
            />
          </li>
        ))}
      </ol>
      {total > conflicts.length && conflicts.length > 0 && (
        <p class="muted small">
          The first {formatCount(conflicts.length)} of {formatCount(total)}.
        </p>
      )}
    </Section>
  );
}
