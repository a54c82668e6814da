import type { Sql } from "postgres";
import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { ClerkDirectory } from "./clerkDirectory.ts";
import type { Json } from "./clerkUserParts.ts";

interface Row {
  readonly clerkId: string;
  readonly name: string | null;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly role: string;
  readonly imageUrl: string | null;
  readonly isDeleted: boolean;
  readonly isErased: boolean;
  readonly clerkUpdatedMs: number | null;
  readonly mentoradoId: number | null;
  /** Mentorados that have this row's address, claimed or not. */
  readonly mentoradosWithAddress: number;
}

/**
 * Compares the tables with a simulated Clerk: one line for each difference. It implements the rules a second time, because
 * the program's own mapper would agree with itself.
 * @param deleted ids of the deleted users
 */
export async function findDifferences(
  sql: Sql,
  directory: ClerkDirectory,
  deleted: readonly string[],
): Promise<string[]> {
  const rows = await readRows(sql);
  const byId = new Map(rows.map((row) => [row.clerkId, row]));
  const users = directory.list({ limit: Infinity, orderBy: { field: "created_at", descending: false } });
  const known = new Set([...users.map((user) => user.id), ...deleted]);
  const claimed = rows.flatMap((row) => row.mentoradoId ?? []);
  return [
    ...users.flatMap((user) => compareUser(user, byId.get(user.id))),
    ...deleted.flatMap((clerkId) => compareDeleted(clerkId, byId.get(clerkId))),
    ...rows
      .filter((row) => !known.has(row.clerkId))
      .map((row) => `${row.clerkId} is in the table, but Clerk never had it`),
    ...(rows.length === byId.size ? [] : ["a user is in the table more than once"]),
    ...(claimed.length === new Set(claimed).size ? [] : ["a mentorado belongs to two users"]),
  ];
}

function compareUser(user: ClerkUser, row: Row | undefined): string[] {
  if (!row) return [`${user.id} is missing`];
  if (row.isDeleted) return [`${user.id} is deleted in the table, but not in Clerk`];
  const email = toAddress(user);
  const metadata = user["public_metadata"] as Json;
  const expected: Partial<Row> = {
    name: toName(user),
    email: email?.address ?? null,
    emailVerified: email?.isVerified ?? false,
    imageUrl: user["image_url"] as string,
    clerkUpdatedMs: toEpochMs(user["updated_at"]),
    ...(metadata["role"] === "admin" ? { role: "admin" } : {}),
  };
  const differing = Object.entries(expected).filter(([key, value]) => row[key as keyof Row] !== value);
  return [
    ...differing.map(
      ([key, value]) =>
        `${user.id}: ${key} is ${JSON.stringify(row[key as keyof Row])}, Clerk says ${JSON.stringify(value)}`,
    ),
    ...(email?.isVerified && row.mentoradoId === null && row.mentoradosWithAddress === 0
      ? [`${user.id} has a verified address and no mentorado`]
      : []),
  ];
}

function compareDeleted(clerkId: string, row: Row | undefined): string[] {
  if (!row?.isDeleted) return [`${clerkId} is deleted in Clerk, but not in the table`];
  if (!row.isErased) return [`${clerkId} is deleted, but something personal is left`];
  return row.mentoradoId === null ? [] : [`${clerkId} is deleted, but still has a mentorado`];
}

function toName(user: ClerkUser): string | null {
  const parts = [user["first_name"], user["last_name"]].filter((part) => typeof part === "string" && part !== "");
  return parts.join(" ") || ((user["username"] ?? null) as string | null);
}

function toAddress(user: ClerkUser): { address: string; isVerified: boolean } | undefined {
  const all = (user["email_addresses"] as Json[]).map((one) => ({
    id: one["id"],
    address: one["email_address"] as string,
    isVerified: (one["verification"] as Json | null)?.["status"] === "verified",
  }));
  const primary = all.find((one) => one.id === user["primary_email_address_id"]);
  return primary ?? all.find((one) => one.isVerified) ?? all[0];
}

function readRows(sql: Sql): Promise<Row[]> {
  return sql<Row[]>`
    select u.clerk_id as "clerkId", u.name, u.email, u.email_verified as "emailVerified", u.role, u.image_url as "imageUrl",
           u.deleted_at is not null as "isDeleted",
           num_nonnulls(u.name, u.email, u.image_url, u.raw_json) = 0 and not u.email_verified and u.role = 'user'
             and not exists (select from webhook_events e where e.clerk_id = u.clerk_id and e.payload is not null)
             as "isErased",
           (extract(epoch from u.clerk_updated_at) * 1000)::float8 as "clerkUpdatedMs", m.id as "mentoradoId",
           coalesce(a.rows, 0) as "mentoradosWithAddress"
    from users u left join mentorados m on m.user_id = u.id
      left join (
        select lower(trim(email)) as address, count(*)::int as rows from mentorados group by address
      ) a on a.address = lower(trim(u.email))`;
}
