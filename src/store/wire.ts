/** The JSON of the SQL functions has Postgres' snake_case names, this program camelCase ones; here they meet. */

/** An answer of a SQL function with its names in camelCase, nested ones too. */
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

/** The argument of a SQL function as JSON text: the names of its fields, not those of nested objects, in snake_case. */
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
