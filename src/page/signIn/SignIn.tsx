import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { createSyncClient } from "../../trpc/client.ts";
import { findCode, toFailure } from "../shared/failure.ts";
import { serverUrl } from "../shared/syncClient.ts";
import { Button } from "../shared/Button.tsx";
import { Notice } from "../shared/Notice.tsx";

/** The characters that an `Authorization` header can carry. */
const tokenPattern = /^[\x21-\x7e]+$/;

/** Asks for the token, and stores it only if the server accepts it. */
export function SignIn({ notice, onToken }: { notice: string | null; onToken: (token: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(notice);
  useLayoutEffect(() => field.current?.focus(), []);

  async function enter(token: string): Promise<void> {
    setBusy(true);
    setProblem(null);
    const wrong = tokenPattern.test(token)
      ? await findProblem(token)
      : "This cannot be a token: it has a space or a character beyond ASCII.";
    if (wrong === null) {
      onToken(token);
      return;
    }
    setBusy(false);
    setProblem(wrong);
    field.current?.focus();
    field.current?.select();
  }

  return (
    <main class="sign-in">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void enter(field.current?.value.trim() ?? "");
        }}
      >
        <h1>clerk-neon-sync</h1>
        <p class="muted">Keeps the users of Clerk and of Postgres in sync. This page is for operators.</p>
        <label for="token">Admin token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="token-help"
          aria-invalid={problem !== null}
        />
        {problem !== null && <Notice tone="bad">{problem}</Notice>}
        <Button type="submit" kind="primary" busy={busy}>
          Continue
        </Button>
        <p id="token-help" class="muted small">
          The server's ADMIN_API_TOKEN, or the session token of a Clerk user with the role admin. It is stored in this
          tab only, until the tab is closed.
        </p>
      </form>
    </main>
  );
}

async function findProblem(token: string): Promise<string | null> {
  try {
    await createSyncClient({ url: serverUrl, token }).sync.status.query();
    return null;
  } catch (error) {
    // The token is accepted and the database is unreachable: the console shows that and retries.
    if (findCode(error) === "SERVICE_UNAVAILABLE") return null;
    const failure = toFailure(error);
    return failure.kind === "away" ? `${failure.text} Try again in some seconds.` : failure.text;
  }
}
