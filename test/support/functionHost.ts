// Serves the Neon Function beside this file with Node's HTTP server: as Neon's own `neon dev` does, through hono's adapter,
// or in the plainest way there is, where a request is a stream made out of Node's own.
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { Readable } from "node:stream";
import { getRequestListener } from "@hono/node-server";

const path = new URL("./neon-function/index.mjs", import.meta.url).href;
const { default: handler } = (await import(path)) as { default: { fetch: (req: Request) => Promise<Response> } };

const servePlainly: RequestListener = (incoming, outgoing) => {
  void handler.fetch(toRequest(incoming)).then(async (res) => {
    outgoing.writeHead(res.status, Object.fromEntries(res.headers));
    outgoing.end(await res.bytes());
  });
};

function toRequest(incoming: IncomingMessage): Request {
  const { method = "GET" } = incoming;
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const stream = Readable.toWeb(incoming) as unknown as ReadableStream;
  const body = method === "GET" || method === "HEAD" ? {} : { body: stream, duplex: "half" as const };
  return new Request(`http://${incoming.headers.host}${incoming.url}`, { method, headers, ...body });
}

const isPlain = process.env["FUNCTION_ADAPTER"] === "plain";
const server = createServer(isPlain ? servePlainly : getRequestListener((req) => handler.fetch(req)));
server.listen(Number(process.env["PORT"]), "127.0.0.1", () => {
  const address = server.address();
  console.log(`Listening on http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/`);
});
