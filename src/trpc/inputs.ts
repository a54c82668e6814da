import { z } from "zod";
import { clerkIdPattern } from "../domain/clerkId.ts";
import { parseJson } from "../domain/json.ts";

/** Longer ids do not fit into the column. */
export const clerkIdSchema = z.string().regex(clerkIdPattern, "must be user_ and 1–59 letters or digits");
/** Any non-empty string: an impossible id is NOT_FOUND. */
export const idSchema = z.string().min(1);
/** Any integer: an unknown one is NOT_FOUND. */
export const mentoradoIdSchema = z.int();
/** A cursor: the last row id of the page before. */
export const rowIdSchema = z.int().min(0);
/** ISO 8601 without year 0, which Postgres does not have. */
export const instantSchema = z.iso.datetime().refine((text) => !text.startsWith("0000"));
/** Text that Postgres can hold. */
export const storableSchema = z.string().refine((text) => !text.includes("\0"));
/** Items per page. */
export const limitSchema = z.int().min(1).max(100).default(50);

/** A cursor is opaque to clients: base64url of JSON. Any other text is `BAD_REQUEST`. */
export function cursorSchema<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .max(1000)
    .transform((text, ctx): z.output<T> => {
      const parsed = schema.safeParse(parseJson(Buffer.from(text, "base64url").toString("utf8")));
      if (parsed.success) return parsed.data;
      ctx.addIssue("is not a cursor of this list");
      return z.NEVER;
    })
    .optional();
}

function toCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A page from up to `limit + 1` rows: the extra row says that there is a next page. */
export function toPage<T>(
  rows: readonly T[],
  limit: number,
  toKey: (last: T) => unknown,
): { items: T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last !== undefined ? toCursor(toKey(last)) : null };
}
