/** Converts the snake_case names in the answer of a SQL function to camelCase, also in nested objects. */
export function fromWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromWire);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      fromWire(inner),
    ]),
  );
}

/** The argument of a SQL function as JSON text. Converts its own field names to snake_case, not those of nested objects. */
export function toWire(argument: object): string {
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(argument).map(([name, value]) => [
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        value as unknown,
      ]),
    ),
  );
}
