import { expect, setDefaultTimeout, test } from "bun:test";
import { openDatabase } from "../../src/store/connection/database.ts";
import { describeDsn, parseDsn } from "../../src/store/connection/dsn.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(30_000);

const neon = "ep-cool-darkness-123456.eu-central-1.aws.neon.tech";
const pooledNeon = "ep-cool-darkness-123456-pooler.eu-central-1.aws.neon.tech";

/** Every parameter of libpq 18 and what other drivers put into a URL. */
const parameters = {
  channel_binding: "require",
  options: "endpoint=ep-cool-darkness-123456",
  sslnegotiation: "direct",
  target_session_attrs: "read-write",
  connect_timeout: "10",
  application_name: "shop",
  client_encoding: "UTF8",
  fallback_application_name: "x",
  gssencmode: "disable",
  hostaddr: "127.0.0.1",
  keepalives: "1",
  keepalives_idle: "30",
  krbsrvname: "x",
  load_balance_hosts: "disable",
  max_protocol_version: "latest",
  passfile: "/nowhere",
  replication: "false",
  require_auth: "scram-sha-256",
  sslcert: "/nowhere",
  sslcrl: "/nowhere",
  sslkey: "/nowhere",
  sslpassword: "x",
  sslrootcert: "/nowhere",
  sslsni: "1",
  ssl_min_protocol_version: "TLSv1.2",
  tcp_user_timeout: "10",
  uselibpqcompat: "true",
  schema: "public",
  connection_limit: "5",
  pool_timeout: "10",
  statement_cache_size: "0",
};

test("Neon's own URL, pooled and direct, is understood", () => {
  const tail = "/neondb?sslmode=require&channel_binding=require";
  expect(parseDsn(`postgresql://neondb_owner:npg_S3cret@${pooledNeon}${tail}`)).toEqual({
    host: pooledNeon,
    port: 5432,
    database: "neondb",
    user: "neondb_owner",
    password: "npg_S3cret",
    tls: "verified",
    pooled: true,
    connectTimeoutSeconds: 3,
    applicationName: "clerk-neon-sync",
    ignoredParameters: ["channel_binding"],
  });
  expect(parseDsn(`postgres://neondb_owner:npg_S3cret@${neon}${tail}`)).toMatchObject({ host: neon, pooled: false });
});

test("connect_timeout and application_name are honoured, pgbouncer=true means pooled", () => {
  const dsn = parseDsn(`postgres://u:p@h/db?connect_timeout=15&application_name=my%20app&pgbouncer=true`);
  expect(dsn).toMatchObject({
    connectTimeoutSeconds: 15,
    applicationName: "my app",
    pooled: true,
    ignoredParameters: [],
  });
});

test("sslmode: who is verified", () => {
  const modeOf = (host: string, query: string) => parseDsn(`postgres://u:p@${host}/db${query}`).tls;
  const table = [
    [neon, "?sslmode=require", "verified"],
    [neon, "?sslmode=verify-full", "verified"],
    [neon, "?sslmode=verify-ca", "verified"],
    [neon, "?sslmode=prefer", "if-offered"],
    [neon, "", "if-offered"],
    [neon, "?sslmode=disable", "off"],
    [neon, "?ssl=true", "verified"],
    ["10.0.0.5", "?sslmode=require", "verified"],
    ["localhost.evil.example", "?sslmode=require", "verified"],
    ["127.evil.example", "?sslmode=require", "verified"],
    ["localhost", "?sslmode=require", "unverified"],
    ["127.0.0.1", "?sslmode=require", "unverified"],
    ["[::1]", "?sslmode=require", "unverified"],
    ["localhost", "?sslmode=verify-full", "verified"],
    ["127.0.0.1", "?sslmode=verify-full", "verified"],
    ["localhost", "", "off"],
  ] as const;
  for (const [host, query, tls] of table) expect([host, query, modeOf(host, query)]).toEqual([host, query, tls]);
});

test("passwords may hold anything, percent-encoded; parameters win over the address, as with libpq", () => {
  const password = `p@ss:/?#[]%25 &="'\\ç🙂`;
  expect(parseDsn(`postgres://us%40er:${encodeURIComponent(password)}@h/db`)).toMatchObject({
    user: "us@er",
    password,
  });
  expect(parseDsn("postgresql:///db?host=db.example.com&port=6432&user=u&password=p%40")).toMatchObject({
    host: "db.example.com",
    port: 6432,
    user: "u",
    password: "p@",
    database: "db",
  });
  expect(parseDsn("postgresql:///db?host=/var/run/postgresql&user=u")).toMatchObject({
    host: "/var/run/postgresql",
    tls: "off",
  });
  expect(parseDsn("postgres://u:p@h:6543/ignored?dbname=other")).toMatchObject({ port: 6543, database: "other" });
  expect(parseDsn("postgres://shop:p@h").database).toBe("shop");
});

test("what cannot be used is refused with the reason and never the value", () => {
  const refused = [
    ["mysql://u:hidden@h/db", "postgres://"],
    ["postgres://u:hid%ZZden@h/db", "percent-encoded"],
    ["postgres://u:hid#den@h/db", "percent-encoded"],
    ["postgres://h/db", "no user"],
    ["postgres:///db?user=u&password=hidden", "no host"],
    ["postgres://u:hidden@h/db?host=a,b", "several hosts"],
    ["postgres://u:hidden@h/db?sslmode=hidden", "sslmode"],
    ["postgres://u:hidden@h/db?connect_timeout=hidden", "connect_timeout"],
    ["postgres://u:hidden@h/db?port=0", "port"],
    ["hidden", "URL"],
  ] as const;
  for (const [url, why] of refused) {
    const parse = () => parseDsn(url);
    expect(parse).toThrow(why);
    expect(parse).not.toThrow("hidden");
  }
});

test("what doctor shows of a URL has no password, and names what was left out", () => {
  const text = describeDsn(
    parseDsn(`postgres://u:hidden@${pooledNeon}/db?sslmode=require&channel_binding=require`),
  ).join();
  expect(text).not.toContain("hidden");
  expect(text).toContain("channel_binding");
  expect(text).toContain("pooled");
});

test("every libpq parameter in a URL connects, alone and all together", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const nameOf = async (query: string) => {
    const database = openDatabase({ dsn: parseDsn(`${db.url}?${query}`) });
    const rows = await database.run((sql) => sql`select current_setting('application_name') as name`, {
      deadlineMs: 3_000,
    });
    await database.close();
    return rows[0]?.["name"] as unknown;
  };
  for (const [name, value] of Object.entries(parameters)) {
    const wanted = name === "application_name" ? "shop" : "clerk-neon-sync";
    expect([name, await nameOf(`${name}=${encodeURIComponent(value)}`)]).toEqual([name, wanted]);
  }
  expect(await nameOf(new URLSearchParams({ ...parameters, sslmode: "prefer" }).toString())).toBe("shop");
});

test("an odd password, and the host as a parameter, connect", async () => {
  const url = new URL(await testServerUrl());
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const role = `odd_${db.name}`;
  const password = `p@:/?#%&= '"\\ç🙂`;
  await db.sql.unsafe(`create role "${role}" login password $$${password}$$`);
  const secret = encodeURIComponent(password);
  const query = `host=127.0.0.1&port=${url.port}&user=${role}&password=${secret}`;
  try {
    for (const text of [
      `postgres://${role}:${secret}@127.0.0.1:${url.port}/${db.name}`,
      `postgresql:///${db.name}?${query}`,
    ]) {
      const database = openDatabase({ dsn: parseDsn(text) });
      const rows = await database.run((sql) => sql`select current_user as name`, { deadlineMs: 3_000 });
      expect(rows[0]?.["name"]).toBe(role);
      await database.close();
    }
  } finally {
    await db.sql.unsafe(`drop role "${role}"`);
  }
});
