// The most a server on this runtime could do: it reads, verifies and answers, without a database.
import { Webhook } from "svix";

const webhook = new Webhook(process.env["CLERK_WEBHOOK_SECRET"] ?? "");

Bun.serve({
  port: Number(process.env["PORT"]),
  hostname: "127.0.0.1",
  fetch: async (req) => {
    const body = await req.text();
    try {
      webhook.verify(body, {
        "svix-id": req.headers.get("svix-id") ?? "",
        "svix-timestamp": req.headers.get("svix-timestamp") ?? "",
        "svix-signature": req.headers.get("svix-signature") ?? "",
      });
    } catch {
      // verify() throws on a wrong signature.
      return Response.json({ error: "invalid signature" }, { status: 400 });
    }
    return Response.json({ outcome: "nothing" });
  },
});
