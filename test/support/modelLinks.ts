// Which user has which mentorado: rule 4, and the part of rule 6 about released mentorados.
import { emailKey, mentoradoName, type Said, type Version } from "./modelRules.ts";

export interface ModelUser {
  readonly clerkId: string;
  /** What the newest version says; null for a tombstone. */
  said: Said | null;
  role: "user" | "admin";
  roleVersion: Version | null;
  deletedAtMs: number | null;
  /** An operator took their mentorado away. */
  held: boolean;
}

export interface ModelMentorado {
  owner: string | null;
  readonly nomeCompleto: string;
  readonly email: string | null;
  readonly fotoUrl: string | null;
  readonly turma: string;
}

export interface Cause {
  readonly source: string;
  readonly svixId: string | null;
}

export const testOperator = "operator:test";

export function createModelLinks(users: ReadonlyMap<string, ModelUser>) {
  const mentorados = new Set<ModelMentorado>();
  /** Every link and release: `clerkId action actor svixId`. */
  const trail: string[] = [];
  let leftKeys = new Set<string>();

  const mentoradoOf = (clerkId: string) => [...mentorados].find((mentorado) => mentorado.owner === clerkId);
  const withKey = (key: string | null) => [...mentorados].filter((mentorado) => emailKey(mentorado.email) === key);
  const keyOf = (user: ModelUser) => emailKey(user.said?.email ?? null);
  const isWaiting = (user: ModelUser) =>
    keyOf(user) !== null && user.said?.emailVerified === true && !user.held && !mentoradoOf(user.clerkId);

  function record(clerkId: string, action: string, { source, svixId }: Cause): void {
    trail.push(`${clerkId} ${action} ${source} ${svixId ?? "-"}`);
  }

  /** Looks for a mentorado; whether one was found or made. */
  function seek(user: ModelUser, cause: Cause): boolean {
    if (!isWaiting(user) || user.said?.email == null) return false;
    const candidates = withKey(keyOf(user));
    const [only] = candidates;
    if (only && (candidates.length > 1 || only.owner !== null)) return false;
    if (only) only.owner = user.clerkId;
    else mentorados.add(toMentorado(user.clerkId, { ...user.said, email: user.said.email }));
    record(user.clerkId, only ? "linked" : "created", cause);
    return true;
  }

  /** This address, or its mentorado, lost its user. */
  function leave(email: string | null): void {
    const key = emailKey(email);
    if (key !== null) leftKeys.add(key);
  }

  function release(clerkId: string, cause: Cause): void {
    const mentorado = mentoradoOf(clerkId);
    if (!mentorado) return;
    mentorado.owner = null;
    leave(mentorado.email);
    record(clerkId, "released", cause);
  }

  /** The free mentorado of an address that was left goes to the one user waiting for it. */
  function handOver(): void {
    for (const key of leftKeys) {
      const [mentorado, secondMentorado] = withKey(key);
      const [waiter, secondWaiter] = [...users.values()].filter((user) => isWaiting(user) && keyOf(user) === key);
      if (!mentorado || secondMentorado || mentorado.owner !== null || !waiter || secondWaiter) continue;
      mentorado.owner = waiter.clerkId;
      record(waiter.clerkId, "linked", { source: "release", svixId: null });
    }
    leftKeys = new Set();
  }

  function unlink(mentorado: ModelMentorado): void {
    const user = users.get(mentorado.owner ?? "");
    if (!user) return;
    mentorado.owner = null;
    user.held = true;
    record(user.clerkId, "unlinked", { source: testOperator, svixId: null });
  }

  function resolve(clerkId: string, mentorado: ModelMentorado): "done" | "not_found" | "conflict" {
    const user = users.get(clerkId);
    if (user?.said == null) return "not_found";
    if (mentorado.owner !== null && mentorado.owner !== clerkId) return "conflict";
    user.held = false;
    if (mentorado.owner === clerkId) return "done";
    const former = mentoradoOf(clerkId);
    if (former) {
      former.owner = null;
      record(clerkId, "released", { source: testOperator, svixId: null });
    }
    mentorado.owner = clerkId;
    record(clerkId, "resolved", { source: testOperator, svixId: null });
    return "done";
  }

  function linkStateOf(user: ModelUser): string {
    if (user.said === null) return "none";
    if (mentoradoOf(user.clerkId)) return "linked";
    if (user.held) return "conflict";
    if (keyOf(user) === null) return "no_email";
    if (!user.said.emailVerified) return "unverified";
    return withKey(keyOf(user)).length > 0 ? "conflict" : "none";
  }

  return { mentorados, trail, mentoradoOf, seek, leave, release, handOver, unlink, resolve, linkStateOf };
}

function toMentorado(owner: string, said: Said & { email: string }): ModelMentorado {
  return {
    owner,
    nomeCompleto: mentoradoName(said),
    email: said.email,
    fotoUrl: said.imageUrl !== null && said.imageUrl.length <= 500 ? said.imageUrl : null,
    turma: said.turma ?? "neon_estrutura",
  };
}
