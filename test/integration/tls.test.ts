import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chown, copyFile, stat } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import postgres from "postgres";
import { openEmbeddedPostgres, type EmbeddedPostgres } from "../../src/dev/postgres/embeddedPostgres.ts";
import { silentLog } from "../../src/log.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { openTcpProxy, type TcpProxy } from "../support/proxy.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(30_000);

const fixtures = join(import.meta.dir, "../fixtures/tls");
const authority = join(fixtures, "ca.crt");
let server: EmbeddedPostgres;
let proxy: TcpProxy;

beforeAll(async () => {
  server = await openEmbeddedPostgres({ persistent: false, log: silentLog });
  proxy = await openTcpProxy({ targetPort: server.port });
  await useCertificate("here");
});
afterAll(async () => {
  await proxy.close();
  await server.stop();
});

/** Makes the server offer TLS with one of the two certificates in the fixtures, or none. */
async function useCertificate(name: "here" | "elsewhere" | "none"): Promise<void> {
  const owner = await stat(server.dataFolder);
  const sql = postgres(server.url, { max: 1 });
  for (const end of name === "none" ? [] : ["crt", "key"]) {
    const file = join(server.dataFolder, `${name}.${end}`);
    await copyFile(join(fixtures, `${name}.${end}`), file);
    await Bun.spawn(["chmod", "600", file]).exited;
    await chown(file, owner.uid, owner.gid);
    await sql.unsafe(`alter system set ssl_${end === "crt" ? "cert" : "key"}_file = '${file}'`);
  }
  await sql.unsafe(`alter system set ssl = '${name === "none" ? "off" : "on"}'`);
  await sql`select pg_reload_conf()`;
  await sql.end();
  // The postmaster takes it up a moment later; nothing else shows that it has.
  const offered = name === "none" ? 0x4e : 0x53;
  while ((await firstAnswer()) !== offered) await Bun.sleep(20);
}

async function firstAnswer(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { data: (_, data) => resolve(data[0] ?? 0) },
  });
  socket.write(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47));
  const answer = await promise;
  socket.end();
  return answer;
}

/** What a fresh process says that connects with this host and sslmode. */
async function connectOnce(options: { host?: string; sslmode?: string; trusted: boolean }): Promise<string> {
  const url = new URL(server.url);
  if (options.host) url.hostname = options.host;
  if (options.sslmode) url.searchParams.set("sslmode", options.sslmode);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../support/connectOnce.ts")], {
    env: {
      PATH: process.env["PATH"] ?? "",
      DATABASE_URL: url.href,
      ...(options.trusted ? { NODE_EXTRA_CA_CERTS: authority } : {}),
    },
    stderr: "inherit",
  });
  return (await new Response(child.stdout).text()).trim();
}

test("require verifies the certificate of a host that is not this machine, and takes it from NODE_EXTRA_CA_CERTS", async () => {
  // To every check a public address, but one that answers here.
  const host = "0.0.0.0";
  expect(await connectOnce({ host, sslmode: "require", trusted: false })).toMatch(/CERT|VERIFY/);
  expect(await connectOnce({ host, sslmode: "require", trusted: true })).toBe("encrypted");
});

test("require on loopback is encrypted and not verified, verify-full always verifies", async () => {
  expect(await connectOnce({ sslmode: "require", trusted: false })).toBe("encrypted");
  expect(await connectOnce({ sslmode: "verify-full", trusted: false })).toMatch(/CERT|VERIFY/);
  expect(await connectOnce({ sslmode: "verify-full", trusted: true })).toBe("encrypted");
  expect(await connectOnce({ host: "localhost", sslmode: "verify-full", trusted: true })).toBe("encrypted");
});

test("disable and a loopback address without sslmode are plain, prefer elsewhere is encrypted if offered", async () => {
  expect(await connectOnce({ sslmode: "disable", trusted: false })).toBe("plain");
  expect(await connectOnce({ trusted: false })).toBe("plain");
  expect(await connectOnce({ host: "0.0.0.0", trusted: false })).toBe("encrypted");
});

test("a certificate for another name is refused, by name and by address", async () => {
  await useCertificate("elsewhere");
  for (const host of ["localhost", "127.0.0.1"]) {
    expect(await connectOnce({ host, sslmode: "verify-full", trusted: true })).toMatch(/ALTNAME/);
  }
  expect(await connectOnce({ host: "0.0.0.0", sslmode: "require", trusted: true })).toMatch(/ALTNAME/);
  expect(await connectOnce({ sslmode: "require", trusted: false })).toBe("encrypted");
  await useCertificate("here");
});

test("a server without TLS is refused where TLS is required, and taken where it is preferred", async () => {
  await useCertificate("none");
  expect(await connectOnce({ sslmode: "require", trusted: false })).toBe("CONNECTION_FAILED");
  expect(await connectOnce({ host: "0.0.0.0", trusted: false })).toBe("plain");
  await useCertificate("here");
});

test("a connection cut while TLS is being made fails that call alone", async () => {
  const url = new URL(proxy.urlFor(server.url));
  url.searchParams.set("sslmode", "require");
  const database = openDatabase({ dsn: parseDsn(url.href) });
  const ask = () => database.run((sql) => sql`select 1`, { deadlineMs: 2_000 });
  proxy.setDelayMs(100);
  for (const cutAfterMs of [20, 75, 130, 180, 240]) {
    setTimeout(proxy.cutAll, cutAfterMs);
    await Promise.allSettled([ask(), ask()]);
    while (database.state() !== "closed") await Bun.sleep(100).then(() => ask().catch(() => undefined));
    await ask();
  }
  await database.close();
});

test("the name asked for goes out before anything else is encrypted (SNI), and bytes slipped in beside the S are refused", async () => {
  const hello = Promise.withResolvers<Buffer>();
  let slip = false;
  const listener = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => {
      socket.write(slip ? "SR\0\0\0\u0008\0\0\0\0" : "S");
      socket.once("data", (data) => {
        hello.resolve(Buffer.from(data));
        socket.destroy();
      });
    });
  });
  await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
  const { port } = listener.address() as AddressInfo;
  const database = openDatabase({ dsn: parseDsn(`postgres://u:p@localhost:${port}/db?sslmode=verify-full`) });
  const ask = () => database.run((sql) => sql`select 1`, { deadlineMs: 2_000 });
  await ask().catch(() => undefined);
  expect((await hello.promise).includes("localhost")).toBe(true);
  slip = true;
  expect(await ask().catch((error: Error) => String(error.cause))).toContain("SSLRequest has extra bytes");
  await database.close();
  listener.close();
});
