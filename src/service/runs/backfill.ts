import { AppError } from "../../errors.ts";
import { listAllUsers } from "./listAllUsers.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** Writes every user of Clerk. Deletes no user. */
export async function backfill(ctx: RunContext): Promise<void> {
  if (ctx.writer.cursor().usersAtClerk === null) await ctx.writer.save({ usersAtClerk: await ctx.clerk.countUsers() });
  await applyAllUsers(ctx);
  if (ctx.writer.cursor().position.firstId === null) await requireNoUsers(ctx);
}

/**
 * Applies every user of Clerk, from the run's cursor on. Fetches one page ahead while a page is written: memory stays
 * flat, and a slow database slows the fetching down.
 */
export async function applyAllUsers({ clerk, writer, run, clock }: RunContext): Promise<void> {
  const pages = toPages();
  let next = pages.next();
  for (;;) {
    const page = await next;
    if (page.done) return;
    next = pages.next();
    // Awaited in the next iteration; this prevents an unhandled rejection if writing fails first.
    next.catch(() => undefined);
    const { items, leftOut, positionAfter } = page.value;
    if (leftOut.length > 0) await writer.leaveOut(leftOut);
    await writer.apply(items, { advance: (count) => ({ position: positionAfter(count) }) });
  }

  async function* toPages() {
    const { position, usersAtClerk } = writer.cursor();
    for await (const { users, leftOut, requestedAtMs, positionAfter } of listAllUsers(
      clerk,
      position,
      usersAtClerk ?? Number.POSITIVE_INFINITY,
      clock,
    )) {
      yield { items: users.map((user) => toRunItem(user, run.kind, requestedAtMs)), leftOut, positionAfter };
    }
  }
}

/** @throws AppError `clerk_unavailable` if Clerk lists no users but counts some */
export async function requireNoUsers({ clerk }: Pick<RunContext, "clerk">): Promise<void> {
  const count = await clerk.countUsers();
  if (count > 0) throw new AppError("clerk_unavailable", `Clerk counts ${count} users but lists none.`);
}
