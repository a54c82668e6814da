import { formatMs } from "../../domain/format.ts";
import { UnlinkButton } from "../conflicts/UnlinkButton.tsx";
import type { UserStatus } from "../shared/types.ts";
import { Ago } from "../shared/Ago.tsx";
import { Badge } from "../shared/Badge.tsx";
import { Facts } from "./Facts.tsx";

interface UserFactsProps {
  readonly status: UserStatus;
  readonly onUnlinked: (text: string) => void;
}

/** The stored rows of `users` and `mentorados`. */
export function UserFacts({ status, onUnlinked }: UserFactsProps) {
  const { user, mentorado, source, lagMs } = status;
  if (!user) return null;
  return (
    <div class="columns">
      <div>
        <h3>User</h3>
        <Facts
          rows={[
            ["Name", user.name],
            ["E-mail", user.email === null ? null : <Email address={user.email} verified={user.emailVerified} />],
            ["Role", user.role],
            ["Sign-in by", user.loginMethod],
            ["Last signed in", <Ago at={user.lastSignedIn} />],
            ["Changed in Clerk", user.clerkUpdatedAt === null ? null : <Ago at={user.clerkUpdatedAt} />],
            ["Deleted", user.deletedAt === null ? "no" : <Ago at={user.deletedAt} />],
            [
              "Stored here",
              user.syncedAt === null ? null : (
                <>
                  <Ago at={user.syncedAt} />
                  {source !== null && `, by ${source}`}
                  {source === "webhook" && lagMs !== null && `, lag ${formatMs(lagMs)}`}
                </>
              ),
            ],
            ["users.id", String(user.id)],
          ]}
        />
      </div>
      <div>
        <h3>Mentorado</h3>
        {mentorado ? (
          <>
            <Facts
              rows={[
                ["Nome completo", <span id="mentorado-name">{mentorado.nomeCompleto}</span>],
                ["E-mail", mentorado.email],
                ["Turma", mentorado.turma],
                ["Ativo", mentorado.ativo === "nao" ? "não" : mentorado.ativo],
                ["Created", <Ago at={mentorado.createdAt} />],
                ["mentorados.id", String(mentorado.id)],
              ]}
            />
            <UnlinkButton
              mentoradoId={mentorado.id}
              name={mentorado.nomeCompleto}
              describedBy="mentorado-name"
              onUnlinked={onUnlinked}
            />
          </>
        ) : (
          <p class="empty">None.</p>
        )}
      </div>
    </div>
  );
}

function Email({ address, verified }: { address: string; verified: boolean }) {
  return (
    <>
      {address} <Badge tone={verified ? "good" : "warn"}>{verified ? "verified" : "not verified"}</Badge>
    </>
  );
}
