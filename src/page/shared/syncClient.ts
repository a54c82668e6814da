import { createSyncClient } from "../../trpc/client.ts";
import { readToken } from "./session.ts";

/** Where the app is mounted: this script is served from `assets/` below it. */
export const serverUrl = new URL("..", import.meta.url).href;

/** The server this page came from. Calls made at once travel as one request. */
export const client = createSyncClient({ url: serverUrl, token: readToken });
