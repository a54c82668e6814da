import type { ISql } from "postgres";
import { findMissingGrants, type MissingGrant } from "./missingGrants.ts";
import { readCatalogue, type Catalogue as Tables } from "./rehearsalCatalogue.ts";
import { functionsSchema } from "./sqlFunctions.ts";

/** Error of one step, in Postgres' fields. */
export interface RehearsalFailure {
  readonly step: string;
  /** SQLSTATE. SWLRW: a row was silently not written; UNEXP: no error, but another result than expected. */
  readonly code: string;
  readonly message: string;
  readonly table?: string | null;
  readonly column?: string | null;
  readonly constraint?: string | null;
  readonly type?: string | null;
  readonly context: string;
}

/** Data that Postgres' errors leave out. */
type Catalogue = Tables & { readonly missingGrants: readonly MissingGrant[] };

/** An obstacle or warning, in two wordings. */
export interface RehearsalFinding {
  /** For the operator: the object, Postgres' message, and what to do. */
  readonly sentence: string;
  /** Names and SQLSTATE only, for logs and any client: Postgres' message may quote a value. */
  readonly names: string;
}

/** The start of the sentence, which names the failing object, and its rest. */
type Explanation = readonly [names: string, rest: string];

/** Explains each failure with the help of the catalogue. */
export async function describeFailures(
  sql: ISql,
  failures: readonly RehearsalFailure[],
): Promise<(RehearsalFinding & { step: string })[]> {
  const needsGrants = failures.some(({ code }) => code === "42501");
  const catalogue = { ...(await readCatalogue(sql)), missingGrants: needsGrants ? await findMissingGrants(sql) : [] };
  // A later UNEXP is mostly a consequence of another failure.
  const causes = failures.filter(({ code }, place) => place === 0 || code !== "UNEXP");
  return causes.flatMap((failure) =>
    explain(failure, catalogue).map((finding) => ({ ...finding, step: failure.step })),
  );
}

function explain(failure: RehearsalFailure, catalogue: Catalogue): RehearsalFinding[] {
  const missing = failure.code === "42501" ? catalogue.missingGrants : [];
  const trigger = findTrigger(failure, catalogue);
  const [fn] = functionsOf(failure);
  if (trigger === undefined && missing.length > 0 && !isRowSecurity(failure)) return [...missing];
  // A function can set the error's fields to anything.
  const isRaised = trigger !== undefined || fn !== undefined;
  const [names, rest] = isRaised
    ? explainFunction(trigger ?? `Function ${fn}, of a default, a check or a policy,`, failure, catalogue)
    : (explanations[failure.code] ?? explainOther)(failure, catalogue);
  const isOfConstraint = !isRaised && failure.code.startsWith("23") && failure.constraint;
  const constraint = isOfConstraint ? `, constraint ${failure.constraint}` : "";
  return [{ sentence: `${names}${rest}`, names: `${names}${constraint} (${failure.code})` }];
}

function isRowSecurity({ message }: RehearsalFailure): boolean {
  return message.includes("row-level security");
}

const explanations: Readonly<Record<string, (failure: RehearsalFailure, catalogue: Catalogue) => Explanation>> = {
  SWLRW: ({ message, constraint }, { triggers, policies, rules }) => {
    const table = unqualified(/for (\S+) were/.exec(message)?.[1] ?? "");
    const named = triggers.filter((one) => one.table === table && constraint?.split(", ").includes(one.name));
    const suspects = [
      ...named.map((one) => `trigger ${one.name} (function ${one.fn})`),
      ...rules.filter((one) => one.table === table).map((one) => `rule ${one.names}`),
      ...policies.filter((one) => one.table === table).map((one) => `row security (policy ${one.names})`),
    ];
    return [
      `Table ${table}: a row was silently not written. The cause may be ${suspects.join(" or ") || "a trigger or a rule"}`,
      ": change it so that the row is written.",
    ];
  },
  UNEXP: ({ message }, { triggers, rules }) => {
    const suspects = [
      ...triggers.filter((one) => one.isOurs).map((one) => `trigger ${one.name} of table ${one.table}`),
      ...rules.map((one) => `rule ${one.names} of table ${one.table}`),
    ];
    return [
      `Tables users and mentorados: a value read back differs from the value written (${message}). The cause may be ${suspects.join(" or ") || "a trigger, a rule or a policy"}`,
      ": change it so that it keeps the sync's values.",
    ];
  },
  "42501": (failure, { role, policies }) => {
    if (!isRowSecurity(failure)) return [`Role ${role}`, `: ${toWords(failure)}. Grant it that right.`];
    const table = /for table "([^"]+)"/.exec(failure.message)?.[1] ?? "";
    const names = policies.find((one) => one.table === table)?.names ?? "";
    return [
      `Table ${table}: row security refuses the rows that role ${role} writes (policy ${names || "missing"})`,
      ". Give it a policy that lets it read and write every row, or a role with BYPASSRLS.",
    ];
  },
  "0A000": (failure, { rules }) => {
    const named = rules.filter((one) => / rules /.test(failure.message) || place(failure) === `Table ${one.table}`);
    if (named.length === 0) return explainOther(failure);
    const list = named.map((one) => `${one.names} of table ${one.table}`).join(", ");
    return [`Table ${named[0]?.table}`, `: ${toWords(failure)}. Drop rule ${list}, or make it a trigger.`];
  },
  "23505": (failure) =>
    failure.constraint?.endsWith("_pkey")
      ? [
          place(failure),
          `: the sequence of the key yields values that are in use (${failure.constraint}). Set it beyond the largest one with setval.`,
        ]
      : [place(failure), `: ${toWords(failure)}. Drop it: two users may have values that it treats as equal.`],
  "2200H": ({ message }) => [
    `Sequence ${/sequence "([^"]+)"/.exec(message)?.[1] ?? ""} is used up`,
    `: ${message}. Make it and its column bigint.`,
  ],
  "22003": (failure, { outgrown }) => [
    `Column ${outgrown.join(", ") || "of an id"} is integer, but the ids exceed it`,
    `: ${toWords(failure)}. Make it bigint.`,
  ],
  "22001": (failure, { columns }) => {
    const type = /for type (.+)$/.exec(failure.message)?.[1] ?? "";
    const narrow = columns.filter((one) => one.type === type).map((one) => one.name);
    return [`Column ${narrow.join(" or ") || "of the tables"} is too narrow`, `: ${toWords(failure)}. Widen it.`];
  },
  "428C9": (failure, { columns }) => {
    const names = columns.filter((one) => one.isGenerated && one.column === columnOf(failure)).map((one) => one.name);
    return [
      `Column ${names.join(", ") || columnOf(failure)} is generated, but the sync writes it`,
      `: ${toWords(failure)}. Make it a plain column.`,
    ];
  },
  "42804": (failure, { columns }) => {
    const names = columns.filter((one) => one.column === columnOf(failure)).map((one) => one.name);
    return [
      `Column ${names.join(" or ") || columnOf(failure)} has a type that the sync cannot write`,
      `: ${toWords(failure)}.`,
    ];
  },
  "23514": (failure, { columns }) => {
    const ofDomain = columns.filter((one) => failure.type != null && one.domain === failure.type);
    const where = ofDomain.length > 0 ? `Column ${ofDomain.map((one) => one.name).join(", ")}` : place(failure);
    return [
      where,
      `: ${toWords(failure)}. Change constraint ${failure.constraint ?? ""} so that it allows what Clerk's users may have.`,
    ];
  },
};

function explainOther(failure: RehearsalFailure): Explanation {
  return [
    place(failure),
    `: ${toWords(failure)}. Change ${failure.constraint ? `constraint ${failure.constraint}` : "the object named there"} so that the row can be written.`,
  ];
}

function explainFunction(names: string, failure: RehearsalFailure, { role, searchPath }: Catalogue): Explanation {
  const { code } = failure;
  const advice = /^(?:42P01|42883|42704|3F000|42703)$/.test(code)
    ? `Qualify the names in it, or set a search_path for the function: the connection's is ${searchPath}.`
    : code === "42501"
      ? `Grant role ${role} that right, or make the function security definer.`
      : "Change it so that the sync's rows are written.";
  return [names, ` fails: ${toWords(failure)}. ${advice}`];
}

/** The triggers of the outermost trigger function on the error's call stack. */
function findTrigger(failure: RehearsalFailure, { triggers }: Catalogue): string | undefined {
  const fn = functionsOf(failure).findLast((name) => triggers.some((one) => one.fn === name));
  if (fn === undefined) return undefined;
  const all = triggers.filter((one) => one.fn === fn);
  const ours = all.filter((one) => one.isOurs);
  const named = (ours.length > 0 ? ours : all).map((one) => `${one.name} of table ${one.table}`);
  return `Trigger ${named.join(" or ")} (function ${fn})`;
}

/** The team's functions on the error's call stack, innermost first. */
function functionsOf({ context }: RehearsalFailure): string[] {
  return [...context.matchAll(/^(?:PL\/\w+|SQL) function "?([\w.$]+)"?/gm)]
    .map(([, name]) => name ?? "")
    .filter((name) => !name.startsWith(`${functionsSchema}.`) && name !== "clerk_email_key")
    .map(unqualified);
}

function toWords({ message, code }: RehearsalFailure): string {
  return `${message.replace(/\.$/, "")} (${code})`;
}

function place({ table, column, message }: RehearsalFailure): string {
  const named = table ?? /relation "([^"]+)"/.exec(message)?.[1];
  if (named == null) return "A write";
  return column == null ? `Table ${named}` : `Column ${named}.${column}`;
}

function columnOf({ column, message }: RehearsalFailure): string {
  return column ?? /column "([^"]+)"/.exec(message)?.[1] ?? "";
}

function unqualified(name: string): string {
  return name.split(".").at(-1) ?? name;
}
