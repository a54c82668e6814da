import { useState } from "preact/hooks";
import { client } from "../shared/syncClient.ts";
import { Button } from "../shared/Button.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { useAction } from "../shared/useAction.ts";

interface UnlinkButtonProps {
  readonly mentoradoId: number;
  readonly name: string;
  readonly describedBy: string;
  readonly onUnlinked: (text: string) => void;
}

/** Unlinks a mentorado from its user, after a question: no later sync links the two again. */
export function UnlinkButton({ mentoradoId, name, describedBy, onUnlinked }: UnlinkButtonProps) {
  const action = useAction();
  const [asking, setAsking] = useState(false);
  if (!asking) {
    return (
      <Button describedBy={describedBy} onClick={() => setAsking(true)}>
        Unlink…
      </Button>
    );
  }
  return (
    <span class="confirm">
      <span class="small">Its user then has no mentorado until an operator links one.</span>
      <Button
        kind="primary"
        describedBy={describedBy}
        busy={action.busy}
        onClick={() =>
          action.run(async () => {
            await client.links.unlink.mutate({ mentoradoId });
            onUnlinked(`Unlinked: ${name} has no user now.`);
          })
        }
      >
        Unlink
      </Button>
      <Button kind="bare" onClick={() => setAsking(false)}>
        Keep
      </Button>
      <FailureNotice failure={action.failure} />
    </span>
  );
}
