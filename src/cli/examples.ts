/** What `--help` of each command shows, without the program's name. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  doctor: ["doctor", "doctor --json | jq '.checks[] | select(.status != \"ok\")'"],
  migrate: ["migrate", "migrate --print-sql > pending.sql"],
  status: ["status", "status user_2abc --json"],
  resync: ["resync user_2abc --dry-run", "resync user_2abc"],
  "erasure-report": ["erasure-report user_2abc"],
  replay: ["replay msg_2abc"],
  conflicts: ["conflicts --json | jq -r '.items[].clerkId'"],
  backfill: ["backfill --dry-run", "backfill"],
  reconcile: ["reconcile --dry-run", "reconcile --json | tail -n 1"],
  simulate: ["simulate --url http://localhost:3000 --users 20"],
};

/** The text that follows the help of a command. */
export function toExampleText(program: string, command: string): string {
  const lines = (examples[command] ?? []).map((example) => `  ${program} ${example}`);
  return `\n${lines.length === 1 ? "Example" : "Examples"}:\n${lines.join("\n")}`;
}
