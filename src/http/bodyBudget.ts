import { AppError } from "../errors.ts";

/** Limit on all bodies of unanswered requests. Enough for the 5,000 deliveries of 2 to 3 KB that may be queued. */
const heldBytesMax = 24 * 1024 * 1024;
/**
 * The limit when a large body is added, so that small ones still find room. A large body is in memory several times for
 * a while (bytes, text, signed text, JSON, user, payload, batch), as text in twice the bytes if it is not Latin-1. With
 * 300 deliveries of 900 KB at once a process reaches 170 to 255 MiB; with a limit of 12 MiB 400, without any 830.
 */
const largeHeldBytesMax = 3 * 1024 * 1024;
/** A larger body is a large one; an ordinary delivery has 2 to 3 KB. */
export const smallBodyBytesMax = 16 * 1024;

/** The part of the budget that one request has taken. */
export interface BodyShare {
  /** @throws AppError `unavailable` if a body of so many bytes finds no room now */
  readonly checkRoom: (bodyBytes: number) => void;
  /** @throws AppError `unavailable`, and nothing is taken */
  readonly take: (bytes: number) => void;
  /** Gives back all bytes that were taken. Call it once the request is answered. */
  readonly close: () => void;
}

/**
 * Bounds the memory of all request bodies together. Bytes count when they arrive, so that a sender who only declares them
 * takes no room.
 */
export interface BodyBudget {
  readonly openShare: () => BodyShare;
}

/** One per app: webhook and tRPC share it. */
export function createBodyBudget(): BodyBudget {
  let heldBytes = 0;
  return {
    openShare: () => {
      let ownBytes = 0;
      let isClosed = false;
      const checkRoom = (bodyBytes: number) => {
        const bytesMax = bodyBytes > smallBodyBytesMax ? largeHeldBytesMax : heldBytesMax;
        if (heldBytes - ownBytes + bodyBytes > bytesMax) {
          throw new AppError("unavailable", "Too many requests are waiting.", { retryAfterSeconds: 5 });
        }
      };
      return {
        checkRoom,
        take: (bytes) => {
          // The request is answered already: later bytes are discarded.
          if (isClosed) return;
          checkRoom(ownBytes + bytes);
          ownBytes += bytes;
          heldBytes += bytes;
        },
        close: () => {
          heldBytes -= ownBytes;
          ownBytes = 0;
          isClosed = true;
        },
      };
    },
  };
}
