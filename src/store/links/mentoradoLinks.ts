import type { Database } from "../connection/database.ts";

const deadlineMs = 5_000;

/** A user whose profile could not be decided, and the profiles that carry the address. */
export interface LinkConflict {
  readonly clerkId: string;
  readonly email: string | null;
  readonly candidates: readonly {
    readonly id: number;
    readonly nomeCompleto: string;
    readonly email: string | null;
    readonly userId: number | null;
  }[];
}

/** In the order in which users came; `afterUserId` is the last of the page before. The states are `user_state`'s. */
export async function listLinkConflicts(
  database: Database,
  { afterUserId, limit }: { afterUserId: number; limit: number },
): Promise<(LinkConflict & { userId: number })[]> {
  return database.run(
    (sql) => sql<(LinkConflict & { userId: number })[]>`
      select u.id as "userId", u.clerk_id as "clerkId", u.email, coalesce(c.candidates, '[]') as candidates
      from (
        select w.id from (
          -- From two indexes alone, in their order: a million users with profiles are passed by in 0.3 s.
          select id, link_held_at, email_verified, email from users u
          where id > ${afterUserId}::int and deleted_at is null
            and not exists (select from mentorados own where own.user_id = u.id)
          order by id offset 0
        ) w
        where w.link_held_at is not null
          or w.email_verified and exists (select from mentorados m where clerk_email_key(m.email) = clerk_email_key(w.email))
        limit ${limit}::int
      ) undecided
        join users u on u.id = undecided.id
        left join lateral (
          select json_agg(json_build_object('id', m.id, 'nomeCompleto', m.nome_completo, 'email', m.email,
                                            'userId', m.user_id) order by m.id) as candidates
          from mentorados m where clerk_email_key(m.email) = clerk_email_key(u.email)
        ) c on true
      order by u.id`,
    { deadlineMs },
  );
}

/** What `resolve_link` and `unlink_mentorado` answer. */
export interface LinkDecision {
  readonly error: "user_not_found" | "mentorado_not_found" | "claimed" | null;
  readonly clerk_id?: string | null;
}

export async function resolveLink(
  database: Database,
  input: { clerkId: string; mentoradoId: number; actor: string },
): Promise<LinkDecision> {
  const argument = { clerk_id: input.clerkId, mentorado_id: input.mentoradoId, actor: input.actor };
  return (await database.callFunction("resolve_link", JSON.stringify(argument), { deadlineMs })) as LinkDecision;
}

export async function unlinkMentorado(
  database: Database,
  input: { mentoradoId: number; actor: string },
): Promise<LinkDecision> {
  const argument = { mentorado_id: input.mentoradoId, actor: input.actor };
  return (await database.callFunction("unlink_mentorado", JSON.stringify(argument), { deadlineMs })) as LinkDecision;
}
