import { useState } from "preact/hooks";
import { client } from "../shared/syncClient.ts";
import { Button } from "../shared/Button.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { useAction } from "../shared/useAction.ts";

interface ReleaseButtonProps {
  readonly mentoradoId: number;
  readonly name: string;
  readonly describedBy: string;
  readonly onReleased: (text: string) => void;
}

/** Unlinks a mentorado from its user. Asks first: no later sync links the two again. */
export function ReleaseButton({ mentoradoId, name, describedBy, onReleased }: ReleaseButtonProps) {
  const action = useAction();
  const [asking, setAsking] = useState(false);
  if (!asking) {
    return (
      <Button describedBy={describedBy} onClick={() => setAsking(true)}>
        Release…
      </Button>
    );
  }
  return (
    <span class="confirm">
      <span class="small">Its user then has no mentorado until you decide.</span>
      <Button
        kind="primary"
        describedBy={describedBy}
        busy={action.busy}
        onClick={() =>
          action.run(async () => {
            await client.links.unlink.mutate({ mentoradoId });
            onReleased(`Released: ${name} has no user now.`);
          })
        }
      >
        Release
      </Button>
      <Button kind="bare" onClick={() => setAsking(false)}>
        Keep
      </Button>
      <FailureNotice failure={action.failure} />
    </span>
  );
}
