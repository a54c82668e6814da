import assert from "node:assert/strict";
import type { Snapshot } from "./clerkFacts.ts";
import type { History, Operation } from "./historyStory.ts";
import type { Model } from "./model.ts";
import { testOperator, type ModelMentorado } from "./modelLinks.ts";
import { readSnapshot } from "./modelRules.ts";
import type { TestApp } from "./testApp.ts";

interface Stage {
  readonly operation: Operation;
  readonly history: History;
  readonly model: Model;
  readonly app: TestApp;
  readonly setAnswer: (answer: Snapshot | null) => void;
}

/** Applies one operation to the app and to the model, and compares the results. */
export async function operate(stage: Stage): Promise<void> {
  switch (stage.operation.does) {
    case "register":
      return register(stage);
    case "remove":
      return remove(stage);
    case "unlink":
      return unlink(stage);
    case "resolve":
      return resolve(stage);
    case "resync":
      return resync(stage);
    case "dryRun":
      return dryRun(stage);
    case "replay":
      return replay(stage);
  }
}

async function register({ operation, model, app }: Stage): Promise<void> {
  // What a person types has no U+0000 in it: Postgres would not take it from them.
  const email = operation.email?.replaceAll("\0", "").toWellFormed().slice(0, 320) ?? null;
  const nomeCompleto = `Registered ${model.links.mentorados.size} ${operation.slot} ${operation.nth}`;
  await app.sql`insert into mentorados (nome_completo, email, turma) values (${nomeCompleto}, ${email}, 'neon_escala')`;
  model.links.mentorados.add({ owner: null, nomeCompleto, email, fotoUrl: null, turma: "neon_escala" });
}

async function remove({ operation, model, app }: Stage): Promise<void> {
  const mentorado = pick([...model.links.mentorados], operation.nth);
  if (!mentorado) return;
  await app.sql`delete from mentorados where id = ${await findId(app, model, mentorado)}`;
  model.links.mentorados.delete(mentorado);
}

async function unlink({ operation, model, app }: Stage): Promise<void> {
  const mentorado = pick([...model.links.mentorados], operation.nth);
  if (!mentorado) return;
  const { clerkId } = await app.services.links.unlink({
    mentoradoId: await findId(app, model, mentorado),
    actor: testOperator,
  });
  assert.equal(clerkId, mentorado.owner);
  model.links.unlink(mentorado);
}

async function resolve({ operation, history, model, app }: Stage): Promise<void> {
  const mentorado = pick([...model.links.mentorados], operation.nth);
  const clerkId = history.ids[operation.who]?.at(-1);
  if (!mentorado || clerkId === undefined) return;
  const mentoradoId = await findId(app, model, mentorado);
  const said = await app.services.links.resolve({ clerkId, mentoradoId, actor: testOperator }).then(
    () => "done",
    (error: { code: string }) => error.code,
  );
  assert.equal(said, model.links.resolve(clerkId, mentorado), `resolve ${clerkId}`);
}

async function resync({ operation, history, model, app, setAnswer }: Stage): Promise<void> {
  const clerkId = pick(history.ids[operation.who] ?? [], operation.nth % 2);
  if (clerkId === undefined) return;
  // Clerk may have been asked at any moment since the user was there.
  const answer = pick(history.answers.get(clerkId) ?? [], operation.nth) ?? null;
  setAnswer(answer);
  const said = await app.services.users.resync({ clerkId }).then(
    (result) => result.outcome,
    (error: { code: string }) => error.code,
  );
  const [row] = await app.sql<{ deletedAtMs: number | null }[]>`
    select (extract(epoch from deleted_at) * 1000)::float8 as "deletedAtMs" from users where clerk_id = ${clerkId}`;
  const deletedAtMs = row?.deletedAtMs ?? 0;
  if (said === "applied" && answer === null) {
    assert.ok(Math.abs(Date.now() - deletedAtMs) < 10_000, "a deletion found out is dated when it was");
  }
  const version = { updatedAtMs: answer?.updatedAt.meansMs ?? 0, fromApi: true, envelopeMs: null, svixId: "" };
  const expected = model.settleAnswer(clerkId, answer && readSnapshot(answer, "api", version), deletedAtMs);
  assert.equal(said, expected, `resync of ${clerkId}`);
  if (answer !== null) model.answers.push(answer);
}

/** Expects that nothing changes. */
async function dryRun({ operation, history, app, setAnswer }: Stage): Promise<void> {
  const clerkId = history.ids[operation.who]?.at(-1);
  if (clerkId === undefined) return;
  setAnswer(pick(history.answers.get(clerkId) ?? [], operation.nth) ?? null);
  await app.services.users.resync({ clerkId, dryRun: true }).catch((error: { code: string }) => {
    assert.equal(error.code, "not_found");
  });
}

async function replay({ operation, history, model, app }: Stage): Promise<void> {
  const svixId = pick([...model.ledger.keys()], operation.nth);
  const fact = history.deliveries.find((one) => one.fact.svixId === svixId)?.fact;
  if (!fact) return;
  const [row] = await app.sql<{ receivedAtMs: number }[]>`
    select (extract(epoch from received_at) * 1000)::float8 as "receivedAtMs" from webhook_events where svix_id = ${fact.svixId}`;
  const said = await app.services.events.replay({ svixId: fact.svixId, actor: testOperator }).then(
    (result) => result.outcome,
    (error: { code: string }) => error.code,
  );
  assert.equal(said, model.settleReplay({ fact, receivedAtMs: row?.receivedAtMs ?? 0 }), `replay of ${fact.svixId}`);
}

function pick<T>(list: readonly T[], nth: number): T | undefined {
  return list[list.length === 0 ? 0 : nth % list.length];
}

async function findId(app: TestApp, model: Model, { owner, nomeCompleto, email }: ModelMentorado): Promise<number> {
  const rows = await app.sql<{ id: number }[]>`
    select m.id from mentorados m left join users u on u.id = m.user_id
    where m.nome_completo = ${nomeCompleto} and m.email is not distinct from ${email}
      and u.clerk_id is not distinct from ${owner}`;
  assert.ok(
    rows[0],
    `the database has no mentorado as the model's, of ${owner ?? "no user"} (${model.links.mentorados.size})`,
  );
  return rows[0].id;
}
