const unstorable = /[\0\p{Surrogate}]/gu;
const unstorableEscape = /\\u(?:0000|d[89a-f])/;
const anyEscape = /\\(?:u(?:0000|d[89a-f][0-9a-f]{2})|.)/g;

/** The string without U+0000 and lone surrogates, which Postgres cannot hold. */
export function toStorableText(text: string): string {
  return text.replace(unstorable, "");
}

/**
 * `JSON.stringify` without what Postgres cannot hold. In its output U+0000 and lone surrogates stand as escapes, and
 * a surrogate escape is always a lone one (well-formed JSON.stringify, ECMAScript 2019).
 */
export function toStorableJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!unstorableEscape.test(json)) return json;
  // Escapes are taken one by one, so that the text `\\u0000` (a backslash, then letters) stays.
  return json.replace(anyEscape, (escape) => (unstorableEscape.test(escape) ? "" : escape));
}
