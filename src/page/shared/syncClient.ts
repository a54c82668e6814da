import { createSyncClient } from "../../trpc/client.ts";
import { readToken } from "./session.ts";

/** Where the app is mounted: this script is served from `assets/` below it. */
export const serverUrl = new URL("..", import.meta.url).href;

/** Client of the server that served this page. Calls made at the same time share one HTTP request. */
export const client = createSyncClient({ url: serverUrl, token: readToken });
