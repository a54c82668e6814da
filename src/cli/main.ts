import { Command, CommanderError } from "commander";
import { AppError } from "../errors.ts";
import type { SyncParts } from "../compose.ts";
import { parseConfig } from "../config.ts";
import { isClerkId } from "../domain/clerkId.ts";
import { migrateDatabase, readMigrationScript } from "../store/migration/migrate.ts";
import { version } from "../version.ts";
import { createCliLog, withContext } from "./withContext.ts";
import { runDoctor } from "./runDoctor.ts";
import { toExampleText } from "./examples.ts";
import { createOutput, toAlarmLines, toCheckLine, toLines, type Output } from "./output.ts";
import { toErasureLines } from "./toErasureLines.ts";
import { followRun } from "./followRun.ts";
import { toFailure } from "./toFailure.ts";
import { simulate } from "./simulate.ts";

const { env } = process;
const program = new Command("clerk-neon-sync")
  .description("Keeps Clerk users in sync with a Neon database: operator commands.")
  .version(version)
  .option("--json", "answer in JSON on standard output, in the shape of the tRPC answer")
  .showHelpAfterError()
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

// A reader that has seen enough (`| head`) does not end a command in the middle of its work.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// Read from argv, because commander reads no options after one that it does not know.
const output = (): Output => createOutput(process.argv.includes("--json"));

program
  .command("doctor")
  .description("check configuration, database, migrations and Clerk, and say what to do")
  .action(async () => {
    const checks = await runDoctor(env, await createCliLog(env));
    output().answer({ checks }, checks.map(toCheckLine));
    if (checks.some((check) => check.status === "failure")) process.exitCode = 1;
  });

program
  .command("migrate")
  .description("bring the database to this program's schema (DATABASE_URL_UNPOOLED, else DATABASE_URL)")
  .option("--print-sql", "print the SQL it would run, and run none")
  .action(async (options: { printSql?: boolean }) => {
    const [config, log] = [parseConfig(env), await createCliLog(env)];
    if (options.printSql) {
      const script = await readMigrationScript(config, { log });
      output().answer({ sql: script }, [script]);
      return;
    }
    const warnings = await migrateDatabase(config, { log });
    const lines = warnings.map((warning) => `Warning: ${warning}`);
    output().answer({ migrated: true, warnings }, [...lines, "The database is up to date."]);
  });

program
  .command("status")
  .argument("[clerkId]", "one user; without it the whole sync")
  .option("--check", "only the alarms; exit 1 if there is one, for cron and monitors")
  .description("show the stored state of one user, or of the whole sync")
  .action(async (clerkId: string | undefined, options: { check?: boolean }) => {
    if (clerkId !== undefined) {
      if (options.check) throw new AppError("bad_request", "--check is about the whole sync: leave the user id out.");
      return answer((ctx) => ctx.services.users.getUser(checkId(clerkId)));
    }
    return withContext(env, async (ctx) => {
      const status = await ctx.services.status.getStatus();
      const { alarms, ...figures } = status;
      output().answer(status, [...(options.check ? [] : toLines(figures)), ...toAlarmLines(status)]);
      if (options.check && alarms.length > 0) process.exitCode = 1;
    });
  });

program
  .command("resync")
  .argument("<clerkId>")
  .option("--dry-run", "show what would change, and change nothing")
  .description("fetch one user from Clerk and store what it says now")
  .action((clerkId: string, options: { dryRun?: boolean }) =>
    answer((ctx) => ctx.services.users.resync({ clerkId: checkId(clerkId), dryRun: options.dryRun })),
  );

program
  .command("erasure-report")
  .argument("<clerkId>")
  .description("list every place that stores data of a user; exit 1 while personal data is left")
  .action((clerkId: string) =>
    withContext(env, async (ctx) => {
      const report = await ctx.services.users.getErasureReport(checkId(clerkId));
      output().answer(report, toErasureLines(report));
      if (!report.erased) process.exitCode = 1;
    }),
  );

program
  .command("replay")
  .argument("<svixId>")
  .description("reprocess a stored event that is dead or ignored")
  .action((svixId: string) =>
    answer(async (ctx) => {
      const replayed = await ctx.services.events.replay({ svixId, actor: "operator:cli" });
      if (replayed.outcome === "dead") process.exitCode = 1;
      return replayed;
    }),
  );

program
  .command("conflicts")
  .description("list the users whose mentorado an operator has to choose")
  .action(() =>
    withContext(env, async (ctx) => {
      const out = output();
      let afterUserId = 0;
      const items = [];
      for (;;) {
        const page = await ctx.services.links.listConflicts({ afterUserId, limit: 100 });
        items.push(...page.map(({ userId: _userId, ...conflict }) => conflict));
        const last = page.at(-1);
        if (page.length < 100 || !last) break;
        afterUserId = last.userId;
      }
      out.answer(
        { items, nextCursor: null },
        items.length === 0 ? ["No conflicts."] : items.flatMap((item) => [...toLines(item), ""]),
      );
    }),
  );

for (const kind of ["backfill", "reconcile"] as const) {
  program
    .command(kind)
    .option("--dry-run", "show what would change, and change nothing")
    .description(
      kind === "backfill"
        ? "write every user of Clerk; resumes where it was stopped"
        : "compare every user of Clerk with every row, and repair",
    )
    .action((options: { dryRun?: boolean }) =>
      withContext(env, async (ctx) => {
        const status = await followRun(ctx, { kind, dryRun: options.dryRun ?? false }, output());
        if (status !== "done") process.exitCode = 1;
      }),
    );
}

program
  .command("simulate")
  .requiredOption("--url <url>", "base address of a running server, such as http://localhost:3000")
  .option("--users <number>", "how many users", "10")
  .description("send signed deliveries of made-up users to a running server")
  .action(async (options: { url: string; users: string }) => {
    if (!(await simulate({ ...options, env }, output()))) process.exitCode = 1;
  });

for (const command of program.commands) command.addHelpText("after", toExampleText(program.name(), command.name()));
program.addHelpText("after", "\nIn the repository: bun run cli <command>. Examples: clerk-neon-sync <command> --help");

function answer(ask: (ctx: SyncParts) => Promise<object>): Promise<void> {
  return withContext(env, async (ctx) => {
    const value = await ask(ctx);
    output().answer(value, toLines(value));
  });
}

function checkId(clerkId: string): string {
  if (isClerkId(clerkId)) return clerkId;
  throw new AppError("bad_request", "A Clerk user id is user_ and 1–59 letters or digits.");
}

try {
  await program.parseAsync();
} catch (error) {
  const usage = error instanceof CommanderError ? error : undefined;
  process.exitCode = usage?.exitCode ?? 1;
  // Help and version end with an error too.
  if (process.exitCode !== 0) {
    const failure = toFailure(error);
    const answered = failure ?? { code: "internal", message: "Unexpected error; standard error has its stack." };
    if (output().json) output().answer({ error: answered }, []);
    // commander has already printed its own errors with the usage.
    if (!usage) console.error(failure?.message ?? error);
  }
}
