// What a project on Node does, Next for one: the client and the tables, compiled by its bundler.
import { createSyncClient } from "clerk-neon-sync/client";
import { mentorados, users } from "clerk-neon-sync/schema";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";

const { env } = process;
const sync = createSyncClient({ url: env["SYNC_URL"] ?? "", token: env["ADMIN_API_TOKEN"] });
const { state } = await sync.sync.user.query({ clerkId: "user_OnNode" });
const sql = postgres(env["DATABASE_URL"] ?? "");
const [row] = await drizzle(sql)
  .select({ name: mentorados.nomeCompleto })
  .from(mentorados)
  .innerJoin(users, eq(users.id, mentorados.userId))
  .where(eq(users.clerkId, "user_OnNode"));
await sql.end();
console.log(process.versions.bun ?? "on Node", state, row?.name);
