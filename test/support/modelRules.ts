// What the rules say about one user object and one version, written from their words and not from the program.
import { toClerkUser, type Fact, type Snapshot } from "./clerkFacts.ts";

/** Rule 1. */
export interface Version {
  readonly updatedAtMs: number;
  readonly fromApi: boolean;
  readonly envelopeMs: number | null;
  readonly svixId: string;
}

export function compareVersions(a: Version, b: Version): number {
  return (
    a.updatedAtMs - b.updatedAtMs ||
    Number(a.fromApi) - Number(b.fromApi) ||
    (a.envelopeMs ?? 0) - (b.envelopeMs ?? 0) ||
    (a.svixId < b.svixId ? -1 : Number(a.svixId > b.svixId))
  );
}

/** What one object says. */
export interface Said {
  readonly clerkId: string;
  readonly version: Version;
  readonly name: string | null;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly imageUrl: string | null;
  readonly loginMethod: string | null;
  readonly role: "user" | "admin" | null;
  readonly turma: string | null;
  readonly createdAtMs: number;
  /** What is to be stored as `raw_json`. */
  readonly raw: unknown;
  /** Equal for objects between which nothing differs: neither version nor surface is content. */
  readonly content: string;
}

export function readSnapshot(snapshot: Snapshot, surface: "webhook" | "api", version: Version): Said {
  const email = findEmail(snapshot);
  const { private_metadata: _, ...raw } = toClerkUser(snapshot, surface);
  const role = snapshot.publicMetadata["role"];
  const turma = snapshot.publicMetadata["turma"];
  const username = storable(snapshot.username);
  const full = [storable(snapshot.firstName), storable(snapshot.lastName)].map((part) => part?.trim()).filter(Boolean);
  return {
    clerkId: snapshot.clerkId,
    version,
    name: full.join(" ") || username?.trim() || null,
    email: email?.address ?? null,
    emailVerified: email?.status === "verified",
    imageUrl: storable(snapshot.imageUrl) || null,
    loginMethod: snapshot.provider ?? (email ? "email" : username ? "username" : null),
    role: role === "user" || role === "admin" ? role : null,
    turma: typeof turma === "string" && ["neon_estrutura", "neon_escala"].includes(turma) ? turma : null,
    createdAtMs: snapshot.createdAtMs,
    raw: storableDeep(raw),
    content: JSON.stringify(storableDeep({ ...snapshot, updatedAt: null })),
  };
}

/** Rule 1: `updated_at`, else the envelope's time, else that of the first arrival. */
export function versionOf(fact: Fact & { kind: "user" }, receivedAtMs: number): Version {
  const envelopeMs = fact.envelope.meansMs;
  const updatedAtMs = fact.snapshot.updatedAt.meansMs ?? envelopeMs ?? receivedAtMs;
  return { updatedAtMs, fromApi: false, envelopeMs, svixId: fact.svixId };
}

/** Rule 3. */
function findEmail(snapshot: Snapshot) {
  const known = snapshot.addresses.map((one) => ({ ...one, address: storable(one.address) ?? "" }));
  const usable = known.filter((one) => one.address.trim() !== "");
  const primary = snapshot.primaryId === null ? undefined : usable.find((one) => one.id === snapshot.primaryId);
  const picked = primary ?? usable.find((one) => one.status === "verified") ?? usable[0];
  return picked && Array.from(picked.address).length <= 320 ? picked : null;
}

/** Rule 3: how addresses are compared. */
export function emailKey(email: string | null): string | null {
  return email?.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase()) || null;
}

/** Rule 4: the name of a new mentorado. */
export function mentoradoName(said: { name: string | null; email: string }): string {
  const local = said.email.slice(0, said.email.lastIndexOf("@")).trim();
  return Array.from(said.name ?? (local || said.email))
    .slice(0, 255)
    .join("");
}

/** Rule 9. */
function storable(text: string): string;
function storable(text: string | null): string | null;
function storable(text: string | null): string | null {
  if (text === null) return null;
  return Array.from(text)
    .filter((one) => one !== "\0" && !/^[\ud800-\udfff]$/.test(one))
    .join("");
}

function storableDeep(value: unknown): unknown {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map(storableDeep);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), storableDeep(inner)]));
}
