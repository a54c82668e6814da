import type { TransactionSql } from "postgres";
import type { TestApp } from "./testApp.ts";

/** Runs `work` while another program's transaction holds what `lock` locks; undone after it. */
export async function whileLocked(
  t: Pick<TestApp, "sql">,
  lock: (tx: TransactionSql) => PromiseLike<unknown>,
  work: () => Promise<void>,
): Promise<void> {
  const undone = new Error("undone");
  await t.sql
    .begin(async (tx) => {
      await lock(tx);
      await work();
      throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
}
