import { trpcServer } from "@hono/trpc-server";
import { Hono, type Context } from "hono";
import { AppError } from "../errors.ts";
import { createBodyVerifier } from "../clerk/verify.ts";
import type { Log } from "../log.ts";
import type { Services } from "../service/services.ts";
import type { Database } from "../store/database.ts";
import { appRouter } from "../trpc/appRouter.ts";
import { createContextFactory, type ContextDeps } from "../trpc/context.ts";
import { createClerkWebhook } from "./clerkWebhook.ts";
import { toErrorResponse } from "./errorResponse.ts";
import { createReadiness } from "./health.ts";
import { createOperatorPage } from "./page.ts";
import { readBody } from "./readBody.ts";

/** What tRPC calls may weigh together, and how many may share a request. */
const trpcBodyBytesMax = 1024 * 1024;
const trpcBodyTimeoutMs = 8_000;
const trpcBatchItemsMax = 50;

export interface AppDeps {
  readonly services: Services;
  readonly database: Database;
  readonly log: Log;
  /** `whsec_…`; any of them may have signed. */
  readonly webhookSecrets: readonly string[];
  readonly defaultTurma: string;
  readonly clerkInstanceId?: string | undefined;
  readonly adminToken?: string | undefined;
  readonly verifySession?: ContextDeps["verifySession"];
  /** True once the server is to go down: `/readyz` then says no. */
  readonly isDraining?: () => boolean;
}

/** The whole HTTP side as a Hono app, to serve or to mount with `app.route("/", …)`. */
export function createApp(deps: AppDeps): Hono {
  const app = new Hono();
  const webhook = createClerkWebhook({
    verifyBody: createBodyVerifier(deps.webhookSecrets),
    userService: deps.services.users,
    log: deps.log,
    instanceId: deps.clerkInstanceId,
  });
  const findReadiness = createReadiness({ ...deps, isDraining: deps.isDraining ?? (() => false) });
  const createContext = createContextFactory(deps);
  const trpc = trpcServer({
    endpoint: "/api/trpc",
    router: appRouter,
    maxBatchSize: trpcBatchItemsMax,
    createContext: (_options, c) => ({ ...createContext(c.req.raw.headers) }),
  });

  route(app, "/api/webhooks/clerk", { POST: (c) => webhook(c.req.raw) });
  route(app, "/healthz", { GET: (c) => c.json({ status: "ok" }) });
  route(app, "/readyz", {
    GET: async (c) => {
      const readiness = await findReadiness();
      return c.json(readiness, readiness.ready ? 200 : 503);
    },
  });
  route(app, "/api/trpc/*", {
    GET: (c) => trpc(c, noNext),
    POST: async (c) => {
      // Read here, so that the limit holds for what is streamed as well as for what is declared.
      const body = await readBody(c.req.raw, { bytesMax: trpcBodyBytesMax, timeoutMs: trpcBodyTimeoutMs });
      c.req.raw = new Request(c.req.raw.url, { method: "POST", headers: c.req.raw.headers, body });
      return trpc(c, noNext);
    },
  });
  const page = createOperatorPage();
  route(app, "/", { GET: (c) => page.getIndex(c.req.raw) });
  app.get("/assets/*", async (c, next) => (await page.findAsset(c.req.raw)) ?? next());
  app.notFound(() => toErrorResponse(new AppError("not_found", "There is nothing here.")));
  app.onError((error) => {
    if (!(error instanceof AppError)) deps.log.error({ err: error }, "[Http] A request failed");
    return toErrorResponse(error);
  });
  return app;
}

type Handler = (c: Context) => Response | Promise<Response | void>;

/** Every other method on the path is 405 and says which there are. */
function route(app: Hono, path: string, handlers: Partial<Record<"GET" | "POST", Handler>>): void {
  const allow = Object.keys(handlers)
    .flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))
    .join(", ");
  app.all(path, async (c) => {
    const handler = handlers[(c.req.method === "HEAD" ? "GET" : c.req.method) as "GET" | "POST"];
    const res = await handler?.(c);
    return res ?? toErrorResponse(new AppError("method_not_allowed", `Only ${allow} is possible here.`), { allow });
  });
}

async function noNext(): Promise<void> {}
