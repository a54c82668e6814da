const absent: readonly string[] = ["ENOENT", "ENOTDIR"];

/**
 * What was asked of the file system; undefined if it is not there.
 * @param alsoAbsent codes of errors that mean as much to the caller; any other error is thrown
 */
export async function ifThere<T>(asked: Promise<T>, alsoAbsent: readonly string[] = []): Promise<T | undefined> {
  try {
    return await asked;
  } catch (cause) {
    if (isCode(cause, [...absent, ...alsoAbsent])) return undefined;
    throw cause;
  }
}

/** Whether it is an error with one of these codes. */
export function isCode(cause: unknown, codes: readonly string[]): boolean {
  return cause instanceof Error && "code" in cause && codes.includes(String(cause.code));
}
