// Programs that use this one as a library do not come across the declaration otherwise, and there is nothing to import.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="../sql.d.ts" />
import { createHash } from "node:crypto";
import type { ISql } from "postgres";
import applyAndReport from "../sql/users/apply_and_report.sql" with { type: "text" };
import applyDeletions from "../sql/users/apply_deletions.sql" with { type: "text" };
import applyRunPage from "../sql/runs/apply_run_page.sql" with { type: "text" };
import applyUpserts from "../sql/users/apply_upserts.sql" with { type: "text" };
import applyUserChanges from "../sql/users/apply_user_changes.sql" with { type: "text" };
import handOverProfiles from "../sql/links/hand_over_profiles.sql" with { type: "text" };
import linkProfiles from "../sql/links/link_profiles.sql" with { type: "text" };
import listLinkableUsers from "../sql/runs/list_linkable_users.sql" with { type: "text" };
import listUnseenUsers from "../sql/runs/list_unseen_users.sql" with { type: "text" };
import openRun from "../sql/runs/open_run.sql" with { type: "text" };
import resolveLink from "../sql/links/resolve_link.sql" with { type: "text" };
import settleDeliveries from "../sql/events/settle_deliveries.sql" with { type: "text" };
import unlinkMentorado from "../sql/links/unlink_mentorado.sql" with { type: "text" };
import userFigures from "../sql/status/user_figures.sql" with { type: "text" };
import userState from "../sql/users/user_state.sql" with { type: "text" };

/** The functions that hold the rules, kept as readable files and installed by `db:migrate` when their text changes. */
const functionTexts: ReadonlyMap<string, string> = new Map([
  ["hand_over_profiles", handOverProfiles],
  ["apply_deletions", applyDeletions],
  ["apply_upserts", applyUpserts],
  ["link_profiles", linkProfiles],
  ["settle_deliveries", settleDeliveries],
  ["apply_user_changes", applyUserChanges],
  ["user_state", userState],
  ["user_figures", userFigures],
  ["apply_and_report", applyAndReport],
  ["open_run", openRun],
  ["apply_run_page", applyRunPage],
  ["list_unseen_users", listUnseenUsers],
  ["list_linkable_users", listLinkableUsers],
  ["resolve_link", resolveLink],
  ["unlink_mentorado", unlinkMentorado],
]);

function toFingerprint(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** Names of the functions that are absent or of another version than this program's. */
export async function findOutdatedFunctions(sql: ISql): Promise<string[]> {
  const rows = await sql<{ name: string; comment: string | null }[]>`
    select p.proname as name, obj_description(p.oid, 'pg_proc') as comment
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname in ${sql([...functionTexts.keys()])}`;
  const installed = new Map(rows.map((row) => [row.name, row.comment]));
  return [...functionTexts].filter(([name, text]) => installed.get(name) !== toFingerprint(text)).map(([name]) => name);
}

/** Installs what `findOutdatedFunctions` finds; answers the names. */
export async function installFunctions(sql: ISql): Promise<string[]> {
  const outdated = await findOutdatedFunctions(sql);
  for (const name of outdated) {
    const text = functionTexts.get(name) ?? "";
    await sql.unsafe(text);
    await sql.unsafe(`comment on function ${name} is '${toFingerprint(text)}'`);
  }
  return outdated;
}
