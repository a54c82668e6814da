import { expect, test } from "bun:test";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findLeftProcesses } from "../support/leftovers.ts";

const root = join(import.meta.dir, "../..");

test("the demo exits 0, prints both tables, every delivery and the walkthrough's lines, and leaves nothing behind", async () => {
  const folder = await mkdtemp(join(tmpdir(), "demo-test-"));
  await chmod(folder, 0o777);
  const demo = Bun.spawn([process.execPath, "src/dev/demo.ts"], {
    cwd: root,
    // What a .env or the shell names must not be touched, and a proxy not be asked.
    env: {
      ...process.env,
      TMPDIR: folder,
      DATABASE_URL: "postgresql://u:p@127.0.0.1:9/x",
      HTTP_PROXY: "http://127.0.0.1:9",
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(demo.stdout).text(),
    new Response(demo.stderr).text(),
    demo.exited,
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });

  expect(stdout).toContain("[Webhook] Received Clerk event: user.created");
  expect(stdout).toContain("[UserService] Successfully synced user user_ana");
  const rows = stdout.split("\n").filter((line) => line.includes("│"));
  expect(
    Math.max(
      ...stdout
        .split("\n")
        .filter((line) => /[│┌├└]/.test(line))
        .map((line) => line.length),
    ),
  ).toBeLessThan(121);
  for (const row of [
    /│ delivery +│ type +│ status │ outcome/,
    /Ana's first update, too late +│ user.updated +│ 200 +│ stale/,
    /a forgery +│ user.deleted +│ 400 +│ invalid_signature/,
    /│ clerk_id +│ name +│ email +│ verified +│ role/,
    /user_duda .* conflict/,
    /user_caio .* unverified/,
    /user_gil +│ Gilberto Perdido .* admin .* resync/,
    /│ user_id +│ nome_completo +│ email +│ turma/,
    /│ \d+ +│ Bia Registrada +│ bia@example.com +│ neon_escala/,
  ]) {
    expect(rows.join("\n")).toMatch(row);
  }

  expect(await findLeftProcesses(folder)).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
}, 60_000);
