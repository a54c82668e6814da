import { index, integer, pgEnum, pgTable, serial, text, timestamp, varchar } from "drizzle-orm/pg-core";

const role = pgEnum("role", ["user", "admin"]);
const turma = pgEnum("turma", ["neon_estrutura", "neon_escala"]);
const ativo = pgEnum("ativo", ["sim", "nao"]);

// The tables as they are before this project comes to them: no raw user, no ledger, and plain indexes.
export const users = pgTable("users", {
  id: serial("id").primaryKey(),
  clerkId: varchar("clerk_id", { length: 64 }).notNull().unique(),
  name: text("name"),
  email: varchar("email", { length: 320 }),
  imageUrl: text("image_url"),
  loginMethod: varchar("login_method", { length: 64 }),
  role: role("role").default("user").notNull(),
  createdAt: timestamp("created_at").defaultNow().notNull(),
  updatedAt: timestamp("updated_at").defaultNow().notNull(),
  lastSignedIn: timestamp("last_signed_in").defaultNow().notNull(),
});

export const mentorados = pgTable(
  "mentorados",
  {
    id: serial("id").primaryKey(),
    userId: integer("user_id").references(() => users.id, { onDelete: "set null" }),
    nomeCompleto: varchar("nome_completo", { length: 255 }).notNull(),
    email: varchar("email", { length: 320 }),
    fotoUrl: varchar("foto_url", { length: 500 }),
    turma: turma("turma").notNull(),
    ativo: ativo("ativo").default("sim").notNull(),
    createdAt: timestamp("created_at").defaultNow().notNull(),
    updatedAt: timestamp("updated_at").defaultNow().notNull(),
  },
  (table) => [index("mentorados_user_id_idx").on(table.userId), index("mentorados_email_idx").on(table.email)],
);
