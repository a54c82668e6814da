/** The body as text, or undefined if it has more than `bytesMax` bytes; then the rest is not read. */
export async function readBodyText(res: Response, bytesMax: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let byteCount = 0;
  if (res.body === null) return text;
  // Leaving the loop early cancels the stream.
  for await (const chunk of res.body) {
    byteCount += chunk.byteLength;
    if (byteCount > bytesMax) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
