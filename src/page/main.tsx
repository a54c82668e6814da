import { render } from "preact";
import { createSyncClient } from "../trpc/client.ts";
const c = createSyncClient({ url: location.origin });
const root = document.getElementById("page");
void c.sync.status.query().then((s) => s.events.applied);
if (root) render(<p>hello</p>, root);
