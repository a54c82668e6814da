/** What a server that does not take connections yet answers to a start-up message. */
export function toErrorResponse({ code, message }: { code: string; message: string }): Buffer {
  const fields = Buffer.from(`SERROR\0C${code}\0M${message}\0\0`);
  const head = Buffer.from([0x45, 0, 0, 0, 0]);
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** As Neon's proxy says it, with the code that it has for every error of its own (neondatabase/neon, `proxy/src`). */
export const neonWaking = toErrorResponse({ code: "XX000", message: "couldn't connect to compute node" });
/** As Postgres says it. */
export const postgresStarting = toErrorResponse({ code: "57P03", message: "the database system is starting up" });
