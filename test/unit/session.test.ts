import { expect, test } from "bun:test";
import { createHmac, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createSessionVerifier, type SessionVerifierOptions } from "../../src/auth/sessionVerifier.ts";
import { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { createTestClock } from "../support/testClock.ts";
import { openServer } from "../support/openServer.ts";
import { toClose } from "../support/toClose.ts";

const ours = generateKeyPairSync("rsa", { modulusLength: 2048 });
const theirs = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwtKey = ours.publicKey.export({ type: "spki", format: "pem" });
const ada = "user_ada";
const party = "https://app.example.com";
const nowSeconds = Math.floor(Date.now() / 1000);

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const goodHeader = { alg: "RS256", kid: "ins_1", typ: "JWT" };
const goodClaims = {
  sub: ada,
  azp: party,
  iss: "https://clerk.example.com",
  iat: nowSeconds - 10,
  nbf: nowSeconds - 10,
  exp: nowSeconds + 600,
};

function sign(claims: object = {}, header: object = {}, key: KeyObject = ours.privateKey): string {
  const text = `${encode({ ...goodHeader, ...header })}.${encode({ ...goodClaims, ...claims })}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key).toString("base64url")}`;
}

function signHmac(): string {
  const text = `${encode({ ...goodHeader, alg: "HS256" })}.${encode(goodClaims)}`;
  return `${text}.${createHmac("sha256", jwtKey).update(text).digest("base64url")}`;
}

/** Clerk's JWKS route, and how often it was asked. */
function fakeJwks(answer: (nth: number) => Response | Promise<Response>) {
  let count = 0;
  const server = openServer(() => answer(++count));
  toClose.push(server.close);
  return { apiUrl: server.origin, count: () => count };
}

const jwks = () =>
  Response.json({ keys: [{ ...ours.publicKey.export({ format: "jwk" }), kid: "ins_1", alg: "RS256", use: "sig" }] });

/** Port 9 has no listener: a call over the network fails. */
function open(options: Partial<SessionVerifierOptions> = { jwtKey }) {
  return createSessionVerifier({ apiUrl: "http://127.0.0.1:9", log: silentLog, ...options });
}

/** The SDK keeps the keys of each URL and secret for 5 minutes. */
let secretCount = 0;
const freshSecret = () => `sk_test_${++secretCount}`;

test("a valid token yields its user, without network access when the key is known", async () => {
  expect(await open()(sign())).toEqual({ clerkId: ada });
});

test.each<[string, string]>([
  ["nothing", ""],
  ["a word", "garbage"],
  ["three words", "a.b.c"],
  ["null in three parts", `${encode(null)}.${encode(null)}.AA`],
  ["lists in three parts", `${encode([])}.${encode([])}.AA`],
  ["an expired token", sign({ exp: nowSeconds - 60 })],
  ["a token of a session that is still pending", sign({ sts: "pending" })],
  ["a token without an end", sign({ exp: undefined })],
  ["a token of tomorrow", sign({ nbf: nowSeconds + 86_400 })],
  ["a token issued tomorrow", sign({ iat: nowSeconds + 86_400 })],
  ["a token of another key", sign({}, {}, theirs.privateKey)],
  ["a token without signature", `${encode({ ...goodHeader, alg: "none" })}.${encode(goodClaims)}.`],
  ["an algorithm of none with a signature", sign({}, { alg: "none" })],
  ["an HMAC made with the public key", signHmac()],
  ["an extension that has to be understood", sign({}, { crit: ["exp"], exp: 1 })],
  ["a machine's subject", sign({ sub: "mch_abc" })],
  ["a subject that is no id", sign({ sub: "user_a b" })],
  ["a subject that is no text", sign({ sub: 7 })],
  ["a token without subject", sign({ sub: undefined })],
  ["an OAuth access token", sign({}, { typ: "at+jwt" })],
  ["a machine token's category", sign({}, { cat: "cl_B7d4PD333AAA" })],
  ["claims changed after signing", sign().replace(/\.[^.]+\./, `.${encode({ ...goodClaims, sub: "user_eve" })}.`)],
])("%s proves nothing", async (_, token) => {
  expect(await open()(token)).toBeNull();
});

test("a token must come from an authorized party, when there are any; one that names none does not", async () => {
  const verify = open({ jwtKey, authorizedParties: ["https://other.example.com", party] });
  expect(await verify(sign())).toEqual({ clerkId: ada });
  expect(await verify(sign({ azp: "https://evil.example.com" }))).toBeNull();
  expect(await verify(sign({ azp: undefined }))).toBeNull();
  expect(await open({ jwtKey, authorizedParties: [] })(sign({ azp: undefined }))).toEqual({ clerkId: ada });
});

test("without any key no token is accepted", async () => {
  expect(await open({})(sign())).toBeNull();
});

test("a malformed key is refused when the verifier is built", () => {
  expect(() => open({ jwtKey: "hidden" })).toThrow("must be a public key in PEM");
});

test("Clerk's keys are fetched once and then kept", async () => {
  const clerk = fakeJwks(jwks);
  const verify = open({ secretKey: freshSecret(), apiUrl: clerk.apiUrl });
  expect(await verify(sign())).toEqual({ clerkId: ada });
  expect(await verify(sign())).toEqual({ clerkId: ada });
  expect(await verify(sign({}, {}, theirs.privateKey))).toBeNull();
  expect(clerk.count()).toBe(1);
});

test("with the public key no network is used, even when there is a secret", async () => {
  const clerk = fakeJwks(jwks);
  expect(await open({ jwtKey, secretKey: freshSecret(), apiUrl: clerk.apiUrl })(sign())).toEqual({ clerkId: ada });
  expect(clerk.count()).toBe(0);
});

test("a text that cannot be a session token causes no request for Clerk's keys", async () => {
  const clerk = fakeJwks(jwks);
  const verify = open({ secretKey: freshSecret(), apiUrl: clerk.apiUrl });
  for (const token of ["garbage", "a.b.c", signHmac(), sign({ sub: "mch_abc" })])
    expect(await verify(token)).toBeNull();
  expect(clerk.count()).toBe(0);
});

test("invented key ids use up a small allowance, not Clerk's rate limit, and known keys still pass", async () => {
  const clerk = fakeJwks(jwks);
  const verify = open({ secretKey: freshSecret(), apiUrl: clerk.apiUrl });
  expect(await verify(sign())).toEqual({ clerkId: ada });
  const answers = await Promise.allSettled(
    Array.from({ length: 40 }, (_, n) => verify(sign({}, { kid: `ins_x${n}` }))),
  );
  expect(answers.some((answer) => answer.status === "rejected")).toBe(true);
  expect(answers.some((answer) => answer.status === "fulfilled" && answer.value !== null)).toBe(false);
  expect(clerk.count()).toBeLessThanOrEqual(12);
  expect(await verify(sign())).toEqual({ clerkId: ada });
});

const html = () => new Response("<html>", { headers: { "content-type": "text/html" } });

test.each<[string, () => Response | Promise<Response>]>([
  ["500", () => Response.json({}, { status: 500 })],
  ["401", () => Response.json({ errors: [{ code: "clerk_key_invalid", message: "m" }] }, { status: 401 })],
  ["HTML", html],
  ["no keys", () => Response.json({ keys: [] })],
])(
  "%s instead of Clerk's keys is Clerk unavailable, not a bad token",
  async (_, answer) => {
    const { apiUrl } = fakeJwks(answer);
    const error: unknown = await open({ secretKey: freshSecret(), apiUrl })(sign()).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: "clerk_unavailable" });
  },
  15_000,
);

test("if Clerk's keys do not arrive within 5 s, Clerk is unavailable", async () => {
  const asked = Promise.withResolvers<void>();
  const { apiUrl } = fakeJwks(() => {
    asked.resolve();
    return new Promise<Response>(() => {});
  });
  const clock = createTestClock();
  const answer = open({ secretKey: freshSecret(), apiUrl, clock })(sign()).catch((cause: unknown) => cause);
  await asked.promise;
  await clock.advance(5_000);
  expect(await answer).toMatchObject({ code: "clerk_unavailable" });
});

test("an API address without a listener is clerk_unavailable", async () => {
  const error: unknown = await open({ secretKey: freshSecret() })(sign()).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "clerk_unavailable" });
}, 15_000);
