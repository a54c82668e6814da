import type { ComponentChildren } from "preact";

interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick?: (() => void) | undefined;
  readonly type?: "button" | "submit";
  readonly kind?: "primary" | "plain" | "bare";
  readonly busy?: boolean;
  readonly disabled?: boolean;
  readonly title?: string | undefined;
  /** Element id of the row's title, by which a screen reader tells buttons of the same name apart. */
  readonly describedBy?: string;
}

/** While busy it keeps focus and width and ignores clicks; a disabled button would lose the focus. */
export function Button({
  children,
  onClick,
  type = "button",
  kind = "plain",
  busy,
  disabled,
  title,
  describedBy,
}: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}`}
      aria-busy={busy ?? false}
      disabled={disabled}
      title={title}
      aria-describedby={describedBy}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </button>
  );
}
