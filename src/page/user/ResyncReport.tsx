import type { ResyncResult } from "../shared/types.ts";
import { Badge } from "../shared/Badge.tsx";
import { Notice } from "../shared/Notice.tsx";
import { explainResync } from "./userWords.ts";

const fieldNames: Readonly<Record<string, string>> = {
  name: "Name",
  email: "E-mail",
  emailVerified: "E-mail verified",
  imageUrl: "Image",
  loginMethod: "Sign-in by",
  role: "Role",
  lastSignedIn: "Last signed in",
  clerkCreatedAt: "Created in Clerk",
  deletedAt: "Deleted",
  clerkId: "User id of Clerk",
  link: "Link",
  mentoradoId: "Mentorado",
};

/** Result of a re-sync or its preview: the changed fields, before and after. */
export function ResyncReport({ report }: { report: ResyncResult }) {
  const { dryRun, outcome, changed, before, after } = report;
  const valueOf = (side: ResyncResult["before"], field: string) => toText(side?.[field as keyof typeof side]);
  return (
    <div class="report">
      <Notice tone={dryRun ? "quiet" : "good"}>
        <strong>{dryRun ? "Preview, nothing is written." : "Re-synced."}</strong> {explainResync(report)}{" "}
        <Badge tone={outcome === "applied" ? "good" : "quiet"}>{outcome}</Badge>
      </Notice>
      {changed.length > 0 && (
        <table class="diff">
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">{dryRun ? "Stored here" : "Before"}</th>
              <th scope="col">{dryRun ? "Would be" : "Now"}</th>
            </tr>
          </thead>
          <tbody>
            {changed.map((field) => (
              <tr key={field}>
                <th scope="row">{fieldNames[field] ?? field}</th>
                <td class="before">{valueOf(before, field)}</td>
                <td class="after">{valueOf(after, field)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function toText(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}
