/** A Clerk user id: `user_` and 1–60 letters or digits. Anything else never reaches the network or the database. */
export const clerkIdPattern = /^user_[A-Za-z0-9]{1,60}$/;

export function isClerkId(value: unknown): value is string {
  return typeof value === "string" && clerkIdPattern.test(value);
}
