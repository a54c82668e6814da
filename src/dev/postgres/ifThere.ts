const absent: readonly string[] = ["ENOENT", "ENOTDIR"];

/**
 * The result of a file system call; undefined if the file does not exist.
 * @param alsoAbsent codes of errors that count as absent too; any other error is thrown
 */
export async function ifThere<T>(call: Promise<T>, alsoAbsent: readonly string[] = []): Promise<T | undefined> {
  try {
    return await call;
  } catch (cause) {
    if (isCode(cause, [...absent, ...alsoAbsent])) return undefined;
    throw cause;
  }
}

/** Whether it is an error with one of these codes. */
export function isCode(cause: unknown, codes: readonly string[]): boolean {
  return cause instanceof Error && "code" in cause && codes.includes(String(cause.code));
}
