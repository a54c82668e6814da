const unstorable = /[\0\p{Surrogate}]/gu;
const unstorableEscape = /\\u(?:0000|d[89a-f])/;
const anyEscape = /\\(?:u(?:0000|d[89a-f][0-9a-f]{2})|.)/g;

/** The string without U+0000 and lone surrogates, which Postgres cannot store. */
export function toStorableText(text: string): string {
  return text.replace(unstorable, "");
}

/**
 * `JSON.stringify` without U+0000 and lone surrogates. Both appear in its output as escapes, and a surrogate escape is
 * always a lone one (well-formed JSON.stringify, ECMAScript 2019).
 */
export function toStorableJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!unstorableEscape.test(json)) return json;
  // Escapes are matched one by one, so that the text `\\u0000` (a backslash, then letters) is kept.
  return json.replace(anyEscape, (escape) => (unstorableEscape.test(escape) ? "" : escape));
}
