// What a page of the team's bundles: the client and its types, nothing of the server.
import { createSyncClient } from "clerk-neon-sync/client";

const client = createSyncClient({ url: "https://sync.example.com", token: () => Promise.resolve("a session's token") });
console.log((await client.sync.status.query()).users.total.toFixed());
