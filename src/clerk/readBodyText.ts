import { AppError } from "../errors.ts";

/** Enough for the id of the first user, with which Clerk begins. */
const headCharsMax = 200;

/** More than `bytesMax`: asking again does not help, asking for less may. */
export class ClerkAnswerTooLarge extends AppError {
  /** How the answer begins. */
  readonly head: string;

  constructor(head: string) {
    super("clerk_unavailable", "Clerk's answer is too large.");
    this.head = head;
  }
}

/**
 * The body as text.
 * @throws ClerkAnswerTooLarge if it has more than `bytesMax` bytes; then the rest is not read
 */
export async function readBodyText(res: Response, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let byteCount = 0;
  if (res.body === null) return text;
  // Leaving the loop early cancels the stream.
  for await (const chunk of res.body) {
    byteCount += chunk.byteLength;
    text += decoder.decode(chunk, { stream: true });
    if (byteCount > bytesMax) throw new ClerkAnswerTooLarge(text.slice(0, headCharsMax));
  }
  return text + decoder.decode();
}
