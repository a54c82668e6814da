/** A Clerk user id: `user_` and 1–59 letters or digits, as many as its column holds. Anything else never reaches the network or the database. */
export const clerkIdPattern = /^user_[A-Za-z0-9]{1,59}$/;

export function isClerkId(value: unknown): value is string {
  return typeof value === "string" && clerkIdPattern.test(value);
}
