// Serves the Neon Function beside this file as Neon's own `neon dev` does: Node's HTTP server and hono's adapter.
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";

const path = new URL("./neon-function/index.mjs", import.meta.url).href;
const { default: handler } = (await import(path)) as { default: { fetch: (req: Request) => Promise<Response> } };
const server = createServer(getRequestListener((req) => handler.fetch(req)));
server.listen(Number(process.env["PORT"]), "127.0.0.1", () => {
  const address = server.address();
  console.log(`Listening on http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`);
});
