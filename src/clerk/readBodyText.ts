import { AppError } from "../errors.ts";

/** Enough for the id of the first user: Clerk writes it first. */
const headCharsMax = 200;

/** An answer above `bytesMax`. A retry does not help; a request for fewer users may. */
export class ClerkAnswerTooLarge extends AppError {
  /** The first 200 characters of the answer. */
  readonly head: string;

  constructor(head: string) {
    super("clerk_unavailable", "Clerk's answer is too large.");
    this.head = head;
  }
}

/**
 * Reads a body as text, no further than `bytesMax`.
 * @throws ClerkAnswerTooLarge
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
