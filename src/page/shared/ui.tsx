import type { ComponentChildren } from "preact";
import { useContext, useEffect, useRef } from "preact/hooks";
import { NowContext } from "./clock.ts";
import type { Failure } from "./failure.ts";
import { formatAgo } from "./format.ts";
import type { Tone } from "./types.ts";

/** A state as a word with its colour. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** `4m ago`; the exact time is the title. */
export function Ago({ at }: { at: string }) {
  const nowMs = useContext(NowContext);
  return (
    <time dateTime={at} title={at}>
      {formatAgo(Date.parse(at), nowMs)}
    </time>
  );
}

/**
 * What came of something just done, told to screen readers as well. With `takesFocus` the keyboard goes on from here:
 * the button that was pressed has gone.
 */
export function Notice(props: { tone: Tone; takesFocus?: boolean; children: ComponentChildren }) {
  const { tone, takesFocus, children } = props;
  const element = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (takesFocus) element.current?.focus();
  }, [takesFocus, children]);
  return (
    <p class={`notice toned ${tone}`} role={tone === "bad" ? "alert" : "status"} tabIndex={-1} ref={element}>
      {children}
    </p>
  );
}

export function FailureNotice({ failure }: { failure: Failure | null }) {
  return failure && <Notice tone="bad">{failure.text}</Notice>;
}

interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick?: (() => void) | undefined;
  readonly type?: "button" | "submit";
  readonly kind?: "primary" | "plain" | "bare";
  readonly busy?: boolean;
  readonly disabled?: boolean;
  readonly title?: string | undefined;
  /** The id of what tells this button from others of its name. */
  readonly of?: string;
}

/** Keeps its place in the order of the keyboard while busy, and its width. */
export function Button({ children, onClick, type = "button", kind = "plain", busy, disabled, title, of }: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}`}
      aria-busy={busy ?? false}
      disabled={disabled}
      title={title}
      aria-describedby={of}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </button>
  );
}

interface SectionProps {
  readonly id: string;
  readonly title: string;
  readonly count?: number | undefined;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Section({ id, title, count, aside, children }: SectionProps) {
  return (
    <section class="card" id={id} tabIndex={-1} aria-labelledby={`${id}-title`}>
      <header class="card-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {count !== undefined && count > 0 && <span class="count">{count}</span>}
        <div class="aside">{aside}</div>
      </header>
      {children}
    </section>
  );
}

/** Nothing here, which is good or at least said. */
export function Empty({ good, children }: { good?: boolean; children: ComponentChildren }) {
  return <p class={good ? "empty good" : "empty"}>{children}</p>;
}

/** Leads to what the page knows of this user. */
export function UserLink({ clerkId }: { clerkId: string }) {
  return (
    <a class="id" href={`#${clerkId}`}>
      {clerkId}
    </a>
  );
}

/** Names and values, in two columns. */
export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value === null || value === undefined || value === "" ? <span class="muted">none</span> : value}</dd>
        </div>
      ))}
    </dl>
  );
}
