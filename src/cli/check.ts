/** One line of `doctor`. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failure";
  /** What is, and what to do about it. Never a secret. */
  readonly message: string;
}

export function ok(name: string, message: string): Check {
  return { name, status: "ok", message };
}

export function warning(name: string, message: string): Check {
  return { name, status: "warning", message };
}

export function failure(name: string, message: string): Check {
  return { name, status: "failure", message };
}
