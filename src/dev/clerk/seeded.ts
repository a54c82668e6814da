/** 32 bits that depend on every bit of both numbers: the finalizer of MurmurHash3. */
export function mix(seed: number, n: number): number {
  let h = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(n | 0, 0x85ebca6b)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Pseudo-random numbers in [0, 1), the same sequence for the same seed. */
export function createRandom(seed: number): () => number {
  let n = 0;
  return () => mix(seed, ++n) / 2 ** 32;
}

// In the order of their bytes, so that ids sort by sequence number.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const sequenceChars = 6;

/**
 * 27 characters that look and sort like Clerk's ids; `fromIdText` is the inverse.
 * @param sequence 0 to 62⁶ - 1
 */
export function toIdText(seed: number, sequence: number): string {
  let text = "";
  for (let part = 0; part < 4; part++) text += toBase62(mix(seed + part, sequence), 5);
  return `2${toBase62(sequence, sequenceChars)}${text}`;
}

/** The number an id was made from, or undefined if it is none of this seed's. */
export function fromIdText(seed: number, text: string): number | undefined {
  let sequence = 0;
  for (const char of text.slice(1, 1 + sequenceChars)) sequence = sequence * 62 + digits.indexOf(char);
  return toIdText(seed, sequence) === text ? sequence : undefined;
}

function toBase62(value: number, chars: number): string {
  let text = "";
  for (let rest = value, i = 0; i < chars; i++, rest = Math.floor(rest / 62)) text = digits.charAt(rest % 62) + text;
  return text;
}
