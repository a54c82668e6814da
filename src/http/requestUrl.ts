/**
 * A request's URL, absolute and parseable. The runtime builds it from the `Host` header as it came: with a malformed
 * one Bun gives a bare path, or an address that `new URL` refuses. Host and scheme are then made up; nothing reads them.
 */
export function toParseableUrl(url: string): string {
  if (URL.canParse(url)) return url;
  return `http://localhost${/^(?:\w+:\/\/[^/?#]*)?(.*)$/s.exec(url)?.[1] ?? "/"}`;
}

/** The request with a URL that can be parsed; unchanged if it has one. */
export function withParseableUrl(req: Request): Request {
  const url = toParseableUrl(req.url);
  return url === req.url ? req : new Request(url, req);
}
