import { useId, useRef } from "preact/hooks";
import { client } from "../shared/syncClient.ts";
import type { Candidate } from "../shared/types.ts";
import { Button } from "../shared/Button.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { useAction } from "../shared/useAction.ts";
import { UnlinkButton } from "./UnlinkButton.tsx";

interface CandidatesProps {
  readonly clerkId: string;
  readonly candidates: readonly Candidate[];
  /** Called with a sentence that says what was done. */
  readonly onDone: (text: string) => void;
}

/** The mentorados that have the user's address, to link one; and a form that links any other by its id. */
export function Candidates({ clerkId, candidates, onDone }: CandidatesProps) {
  const action = useAction();

  function link(mentoradoId: number, name: string): void {
    action.run(async () => {
      await client.links.resolve.mutate({ clerkId, mentoradoId });
      onDone(`Linked: ${name} is ${clerkId} now.`);
    });
  }

  return (
    <div class="candidates">
      {candidates.map((candidate) => (
        <CandidateRow
          key={candidate.id}
          candidate={candidate}
          busy={action.busy}
          onLink={() => link(candidate.id, candidate.nomeCompleto)}
          onUnlinked={onDone}
        />
      ))}
      <LinkByNumber
        title={candidates.length === 0 ? "Choose a mentorado by number…" : "Another mentorado…"}
        busy={action.busy}
        onLink={(id) => link(id, `mentorado ${id}`)}
      />
      <FailureNotice failure={action.failure} />
    </div>
  );
}

interface CandidateRowProps {
  readonly candidate: Candidate;
  readonly busy: boolean;
  readonly onLink: () => void;
  readonly onUnlinked: (text: string) => void;
}

function CandidateRow({ candidate, busy, onLink, onUnlinked }: CandidateRowProps) {
  const { id, nomeCompleto, email, userId } = candidate;
  const isTaken = userId !== null;
  const nameId = useId();
  return (
    <div class="candidate">
      <p id={nameId}>
        <strong>{nomeCompleto}</strong>
        <span class="muted small">
          mentorado {id} · {email ?? "no e-mail"}
          {isTaken && " · belongs to another user"}
        </span>
      </p>
      {isTaken ? (
        <UnlinkButton mentoradoId={id} name={nomeCompleto} describedBy={nameId} onUnlinked={onUnlinked} />
      ) : (
        <Button describedBy={nameId} busy={busy} onClick={onLink}>
          Link
        </Button>
      )}
    </div>
  );
}

interface LinkByNumberProps {
  readonly title: string;
  readonly busy: boolean;
  readonly onLink: (mentoradoId: number) => void;
}

function LinkByNumber({ title, busy, onLink }: LinkByNumberProps) {
  const fieldId = useId();
  const field = useRef<HTMLInputElement>(null);
  return (
    <details class="by-number">
      <summary>{title}</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const mentoradoId = field.current?.valueAsNumber ?? Number.NaN;
          if (!busy && Number.isInteger(mentoradoId)) onLink(mentoradoId);
        }}
      >
        <label for={fieldId}>Number (mentorados.id)</label>
        <input id={fieldId} ref={field} type="number" min={1} max={2_147_483_647} step={1} required />
        <Button type="submit" busy={busy}>
          Link
        </Button>
      </form>
    </details>
  );
}
