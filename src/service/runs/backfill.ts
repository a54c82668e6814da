import { AppError } from "../../errors.ts";
import { listAllUsers } from "./listAllUsers.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** Writes every user of Clerk. */
export async function backfill(ctx: RunContext): Promise<void> {
  if (ctx.writer.cursor().usersAtClerk === null) await ctx.writer.save({ usersAtClerk: await ctx.clerk.countUsers() });
  await passOverUsers(ctx);
  if (ctx.writer.cursor().position.firstId === null) await requireNoUsers(ctx);
}

/**
 * Applies every user of Clerk from where the run stands. The next page is fetched and read while this one is written,
 * and no further: memory stays flat, and a database that is slow is not run over.
 */
export async function passOverUsers({ clerk, writer, run, clock }: RunContext): Promise<void> {
  const pages = toPages();
  let next = pages.next();
  for (;;) {
    const page = await next;
    if (page.done) return;
    next = pages.next();
    // It is awaited in the next round, unless writing fails first.
    next.catch(() => undefined);
    const { items, leftOut, positionAfter } = page.value;
    if (leftOut.length > 0) await writer.leaveOut(leftOut);
    await writer.apply(items, { advance: (count) => ({ position: positionAfter(count) }) });
  }

  async function* toPages() {
    const { position, usersAtClerk } = writer.cursor();
    for await (const { users, leftOut, askedAtMs, positionAfter } of listAllUsers(
      clerk,
      position,
      usersAtClerk ?? Number.POSITIVE_INFINITY,
      clock,
    )) {
      yield { items: users.map((user) => toRunItem(user, run.kind, askedAtMs)), leftOut, positionAfter };
    }
  }
}

/** @throws AppError `clerk_unavailable` unless Clerk itself says that it has no users */
export async function requireNoUsers({ clerk }: Pick<RunContext, "clerk">): Promise<void> {
  const count = await clerk.countUsers();
  if (count > 0) throw new AppError("clerk_unavailable", `Clerk says it has ${count} users and lists none.`);
}
