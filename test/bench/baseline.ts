// What teams write today: Express, svix, drizzle over postgres.js. B1 is four statements
// one after the other, B3 the same in a transaction; nothing else differs.
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import express from "express";
import postgres from "postgres";
import { Webhook } from "svix";
import { mentorados, users } from "./lib/baselineSchema.ts";

interface ClerkUserData {
  readonly id: string;
  readonly first_name: string | null;
  readonly last_name: string | null;
  readonly image_url: string;
  readonly primary_email_address_id: string | null;
  readonly email_addresses: readonly { readonly id: string; readonly email_address: string }[];
}

const db = drizzle(postgres(process.env["DATABASE_URL"] ?? ""));
const webhook = new Webhook(process.env["CLERK_WEBHOOK_SECRET"] ?? "");
const inTransaction = process.env["BASELINE"] === "B3";

async function syncUser(tx: Pick<typeof db, "insert" | "select" | "update">, data: ClerkUserData): Promise<void> {
  const email =
    data.email_addresses.find((one) => one.id === data.primary_email_address_id)?.email_address ??
    data.email_addresses[0]?.email_address ??
    null;
  const name = `${data.first_name ?? ""} ${data.last_name ?? ""}`.trim();
  const fields = { name, email, imageUrl: data.image_url, loginMethod: "clerk", updatedAt: new Date() };
  await tx
    .insert(users)
    .values({ clerkId: data.id, ...fields })
    .onConflictDoUpdate({ target: users.clerkId, set: fields });
  const [user] = await tx.select({ id: users.id }).from(users).where(eq(users.clerkId, data.id));
  if (!user || email === null) return;
  const [mentorado] = await tx.select().from(mentorados).where(eq(mentorados.email, email));
  if (mentorado) {
    await tx.update(mentorados).set({ userId: user.id, updatedAt: new Date() }).where(eq(mentorados.id, mentorado.id));
  } else {
    await tx
      .insert(mentorados)
      .values({ userId: user.id, nomeCompleto: name, email, fotoUrl: data.image_url, turma: "neon_estrutura" });
  }
}

const app = express();
// Express 5 itself passes a rejected promise on to its error handler.
// oxlint-disable-next-line oxc/no-async-endpoint-handlers
app.post("/api/webhooks/clerk", express.raw({ type: "application/json", limit: "1mb" }), async (req, res) => {
  const body = (req.body as Buffer).toString("utf8");
  try {
    webhook.verify(body, {
      "svix-id": req.header("svix-id") ?? "",
      "svix-timestamp": req.header("svix-timestamp") ?? "",
      "svix-signature": req.header("svix-signature") ?? "",
    });
  } catch {
    // verify() throws on a wrong signature.
    res.status(400).json({ error: "Invalid signature" });
    return;
  }
  try {
    const event = JSON.parse(body) as { type: string; data: ClerkUserData };
    if (event.type === "user.created" || event.type === "user.updated") {
      if (inTransaction) await db.transaction((tx) => syncUser(tx, event.data));
      else await syncUser(db, event.data);
    } else if (event.type === "user.deleted") {
      await db.delete(users).where(eq(users.clerkId, event.data.id));
    }
    res.json({ success: true });
  } catch (error) {
    console.error("[Webhook] Error:", error);
    res.status(500).json({ error: "Internal server error" });
  }
});
app.listen(Number(process.env["PORT"]), "127.0.0.1");
