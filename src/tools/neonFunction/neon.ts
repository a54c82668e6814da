// Declares the function to Neon; see the README.md beside this file.
import type { Config } from "@neon/config/v1";

/** Neon refuses to deploy while one of these is not set; it gives DATABASE_URL by itself. */
const needed = ["CLERK_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "ADMIN_API_TOKEN"];
/** Passed on where they are set; one that is left out keeps the value that it has at Neon. */
const optional = [
  "CLERK_API_URL",
  "CLERK_AUTHORIZED_PARTIES",
  "CLERK_INSTANCE_ID",
  "CLERK_JWT_KEY",
  "CLERK_PUBLISHABLE_KEY",
  "CORS_ORIGINS",
  "DATABASE_POOL_MAX",
  "DEFAULT_TURMA",
  "EVENT_RETENTION_DAYS",
  "LEDGER_RETENTION_DAYS",
  "LOG_LEVEL",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "RECONCILE_EVERY_MINUTES",
];
const names = [...needed, ...optional.filter((name) => process.env[name])];

// A plain object, so that this folder works without anything installed beside it.
export default {
  functions: {
    clerksync: {
      name: "clerk-neon-sync",
      source: "./index.mjs",
      // index.mjs is bundled already.
      bundler: "none",
      // With a value that is undefined Neon refuses to deploy and names it.
      env: Object.fromEntries(names.map((name) => [name, process.env[name]])) as Record<string, string>,
    },
  },
  triggers: {
    // Twice a day, because each call wakes the database of an idle branch; see the README.md for more often.
    "clerk-sync": { type: "schedule", function: "clerksync", cron: "7 */12 * * *", functionPath: "/api/schedule" },
  },
} satisfies Config;
