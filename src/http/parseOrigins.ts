/**
 * Origins as browsers write them in their `Origin` header, separated by commas or white space.
 * @throws Error saying what the text must be
 */
export function parseOrigins(text: string): readonly string[] {
  const origins = text.split(/[\s,]+/).flatMap((origin) => (origin ? [origin.replace(/\/$/, "")] : []));
  if (origins.length === 0 || !origins.every(isOrigin)) {
    throw new Error("must be origins such as https://app.example.com, separated by commas");
  }
  return origins;
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
