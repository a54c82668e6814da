import type { ComponentChildren } from "preact";

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
