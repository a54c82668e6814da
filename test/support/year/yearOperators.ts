import assert from "node:assert/strict";
import type { Sql } from "postgres";
import { createSyncClient } from "../../../src/trpc/client.ts";
import { testAdminToken } from "../testApp.ts";

/** Operators who resolve conflicts, unlink mentorados and start reconciles through a copy. */
export function createOperators({ sql, random }: { sql: Sql; random: () => number }) {
  let decisions = 0;
  const connect = (url: string) => createSyncClient({ url, token: testAdminToken });

  return {
    /** Number of calls that may have changed links. */
    decisions: () => decisions,
    decide: async (url: string): Promise<void> => {
      const { links } = connect(url);
      const { items } = await links.conflicts.query({ limit: 20 });
      const taken = new Set<number>();
      for (const { clerkId, candidates } of items) {
        const free = candidates.find(({ id, userId }) => userId === null && !taken.has(id));
        if (free === undefined || random() < 0.5) continue;
        decisions += 1;
        taken.add(free.id);
        await links.resolve.mutate({ clerkId, mentoradoId: free.id });
      }
      const [linked] = await sql<{ id: number }[]>`
        select id from mentorados where user_id is not null order by id offset ${Math.floor(random() * 100)} limit 1`;
      if (linked === undefined) return;
      decisions += 1;
      await links.unlink.mutate({ mentoradoId: linked.id });
    },
    /** A full reconcile, until it has ended. */
    reconcile: async (url: string): Promise<void> => {
      const { runs } = connect(url);
      const { runId } = await runs.start.mutate({ kind: "reconcile" });
      let run = await runs.get.query({ runId });
      while (run.status === "running") {
        await Bun.sleep(50);
        run = await runs.get.query({ runId });
      }
      assert.equal(run.status, "done", run.error ?? "");
    },
  };
}
