/** Neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `undefined`, which is no JSON value, for a text that is not JSON or is nested deeper than the parser's stack. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // For the caller to judge, with what else it knows of the text.
    return undefined;
  }
}
