import { useState } from "preact/hooks";
import { client } from "../shared/syncClient.ts";
import { Button } from "../shared/Button.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { useAction } from "../shared/useAction.ts";

interface ReleaseButtonProps {
  readonly mentoradoId: number;
  readonly name: string;
  readonly of: string;
  readonly onReleased: (text: string) => void;
}

/** Takes a mentorado from its user. Asked twice: the user gets none by themselves afterwards. */
export function ReleaseButton({ mentoradoId, name, of, onReleased }: ReleaseButtonProps) {
  const action = useAction();
  const [asking, setAsking] = useState(false);
  if (!asking) {
    return (
      <Button of={of} onClick={() => setAsking(true)}>
        Release…
      </Button>
    );
  }
  return (
    <span class="confirm">
      <span class="small">Its user has no mentorado then, until you decide.</span>
      <Button
        kind="primary"
        of={of}
        busy={action.busy}
        onClick={() =>
          action.run(async () => {
            await client.links.unlink.mutate({ mentoradoId });
            onReleased(`Released: ${name} belongs to nobody now.`);
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
