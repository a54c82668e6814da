/** A Clerk user id: `user_` and 1–59 letters or digits (`users.clerk_id` has 64 characters). */
export const clerkIdPattern = /^user_[A-Za-z0-9]{1,59}$/;

/** Every entry point checks ids with this: no other id is sent to Clerk or to the database. */
export function isClerkId(value: unknown): value is string {
  return typeof value === "string" && clerkIdPattern.test(value);
}
