import { AppError } from "./errors.ts";

/**
 * Loads a part of src/dev, which is in a clone of the repository but not in the package.
 * @param command as it is typed, for the error
 * @param load imports the part dynamically
 * @throws AppError `precondition_failed` in the package
 */
export async function loadDevPart<Part>(command: string, load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (cause) {
    const missing = cause instanceof Error && "specifier" in cause ? String(cause.specifier) : "";
    if (!missing.startsWith("../dev/")) throw cause;
    const message = `\`bun run ${command}\` needs a clone of the repository: the package has no src/dev.`;
    throw new AppError("precondition_failed", message, { cause });
  }
}
