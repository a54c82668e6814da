// A team's own backend, in another package: its Hono app and its tRPC router, with the sync mounted and merged in.
import { trpcServer } from "@hono/trpc-server";
import { initTRPC } from "@trpc/server";
import { Hono } from "hono";
import {
  appRouter,
  createApp,
  createContextFactory,
  createServices,
  createUserService,
  migrateDatabase,
  openDatabase,
  parseConfig,
  type ClerkApi,
  type ClerkUser,
  type SyncContext,
} from "clerk-neon-sync";

interface HostContext extends SyncContext {
  readonly host: string;
}

const t = initTRPC.context<HostContext>().create({
  errorFormatter: ({ shape }) => ({ ...shape, host: "formatted by the host" }),
});
const greet = t.procedure.query(({ ctx }) => `hello from ${ctx.host}`);
/** Beside others, under a name of its own. */
export const nestedRouter = t.router({ greet, clerkSync: appRouter });
/** Or at the top, among the host's. */
export const mergedRouter = t.mergeRouters(t.router({ greet }), appRouter);
export type MergedRouter = typeof mergedRouter;

/** A Clerk that has these users; the real one is the default. */
function createClerk(users: readonly ClerkUser[]): ClerkApi {
  return {
    getUser: (clerkId) => Promise.resolve(users.find(({ id }) => id === clerkId) ?? null),
    listUsers: () => Promise.resolve(users),
    findUsers: (clerkIds) => Promise.resolve(users.filter(({ id }) => clerkIds.includes(id))),
    countUsers: () => Promise.resolve(users.length),
  };
}

export async function openHost(env: Record<string, string | undefined>, users: readonly ClerkUser[]) {
  const config = parseConfig(env);
  const database = openDatabase(config);
  await migrateDatabase(config);
  const clerk = createClerk(users);
  const services = createServices({ config, database, clerk });
  const deps = { config, database, clerk, services };
  const createSyncContext = createContextFactory(deps);
  const createContext = (_: unknown, c: { req: { raw: Request } }) => ({
    ...createSyncContext(c.req.raw.headers),
    host: "the host",
  });

  const app = new Hono();
  app.get("/hello", (c) => c.text("hello"));
  app.post("/metrics/own", (c) => c.text("own"));
  app.route("/", createApp({ ...deps, hasPage: false }));
  app.route("/below/here", createApp(deps));
  app.get("/", (c) => c.text("the host's page"));
  app.get("/later", (c) => c.text("later"));
  app.get("/broken", () => {
    throw new Error("the host's own");
  });
  app.use("/nested/*", trpcServer({ endpoint: "/nested", router: nestedRouter, createContext }));
  app.use("/merged/*", trpcServer({ endpoint: "/merged", router: mergedRouter, createContext }));
  app.notFound((c) => c.text("the host knows nothing of it", 404));
  app.onError((error, c) => c.text(`the host caught ${error.message}`, 500));

  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
  return {
    url: server.url.origin,
    users: createUserService(deps),
    close: async () => {
      await server.stop(true);
      await services.runs.close();
      await database.close();
    },
  };
}
