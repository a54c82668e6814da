import { createSyncClient } from "../../trpc/client.ts";
import { readToken } from "./session.ts";

/** The server this page came from. Calls made at once travel as one request. */
export const client = createSyncClient({ url: location.origin, token: readToken });
