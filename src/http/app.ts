import { Hono, type Context, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { systemClock, type Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { createBodyVerifier } from "../clerk/bodyVerifier.ts";
import type { SyncObserver } from "../domain/observer.ts";
import type { Log } from "../log.ts";
import type { DueWork } from "../service/runs/dueWork.ts";
import type { Services } from "../service/services.ts";
import { listNames, type TimedReport } from "../service/startRehearsal.ts";
import type { Database } from "../store/connection/database.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { createContextFactory, type ContextDeps } from "../trpc/context.ts";
import { createRateLimits, type RateLimits } from "../auth/rateLimits.ts";
import { addAnswerHeaders, getRequestId } from "./answerHeaders.ts";
import { createBodyBudget } from "./bodyBudget.ts";
import { createClockWatch } from "./clockWatch.ts";
import { createClerkWebhook } from "./clerkWebhook.ts";
import { findClientAddress } from "./findClientAddress.ts";
import { toErrorResponse } from "./errorResponse.ts";
import { createReadiness } from "./readiness.ts";
import { createMetricsRoute } from "./metricsRoute.ts";
import { createOperatorPage } from "./operatorPage.ts";
import { createTrpcRoute } from "./trpcRoute.ts";

/** Dependencies of `createApp`. Without an optional one a default is used, or its route does not exist. */
export interface AppDeps {
  readonly services: Services;
  readonly database: Database;
  readonly log: Log;
  /** `whsec_…`; any of them may have signed. */
  readonly webhookSecrets: readonly string[];
  readonly defaultTurma?: string | undefined;
  readonly clerkInstanceId?: string | undefined;
  readonly adminToken?: string | undefined;
  readonly verifySession?: ContextDeps["verifySession"];
  /** True while the server drains: `/readyz` is then 503. */
  readonly isDraining?: (() => boolean) | undefined;
  /** Report of the last rehearsal, for `/readyz`; see `startRehearsal`. */
  readonly findRehearsal?: (() => TimedReport | undefined) | undefined;
  /** Called before each answer of `/readyz`. */
  readonly onReadinessAsked?: (() => void) | undefined;
  /** Metrics for `/metrics`; default: a registry of this app alone, which counts only what passes through HTTP. */
  readonly metrics?: Metrics | undefined;
  /** Called for every delivery; default: the metrics' own. */
  readonly observer?: SyncObserver | undefined;
  readonly rateLimits?: RateLimits | undefined;
  readonly clock?: Clock | undefined;
  /** False: `/` and its assets are left to the host app. */
  readonly hasPage?: boolean | undefined;
  /** `POST /api/schedule`, for a process that has no timers of its own; by default there is no such route. */
  readonly dueWork?: Pick<DueWork, "perform"> | undefined;
  /** Origins whose pages may call `/api/trpc`; none: no CORS header is added, so that the host app can add its own. */
  readonly corsOrigins?: readonly string[] | undefined;
}

/** The whole HTTP side as a Hono app, to serve or to mount with `app.route("/", …)`. */
export function createApp(deps: AppDeps): Hono {
  const app = new Hono();
  const { database, services, clock = systemClock } = deps;
  const { metrics = createMetrics({ clock }), rateLimits = createRateLimits() } = deps;
  metrics.watch({
    queueItems: services.users.queueItems,
    breakerState: database.state,
    connectionAttempts: database.connectionAttempts,
    alarms: services.status.listKnownAlarms,
  });
  const bodyBudget = createBodyBudget();
  const clockWatch = createClockWatch({ secrets: deps.webhookSecrets, log: deps.log, clock });
  services.status.watch(() => {
    const report = deps.findRehearsal?.();
    return {
      clockOffsetSeconds: clockWatch.findOffsetSeconds(),
      rehearsal: report === undefined ? null : { obstacles: listNames(report.obstacles), since: report.since },
    };
  });
  const webhook = createClerkWebhook({
    verifyBody: createBodyVerifier(deps.webhookSecrets),
    userService: services.users,
    log: deps.log,
    instanceId: deps.clerkInstanceId,
    observer: deps.observer ?? metrics.observer,
    bodyBudget,
    clockWatch,
    clock,
  });
  const findReadiness = createReadiness({ ...deps, clock, clockWatch, isDraining: deps.isDraining ?? (() => false) });
  const readMetrics = createMetricsRoute({ metrics, adminToken: deps.adminToken, rateLimits });

  for (const path of ["/api/webhooks/clerk", "/api/webhooks/clerk/"]) {
    route(app, path, { POST: (c) => webhook(c.req, getRequestId(c)) });
  }
  route(app, "/healthz", { GET: (c) => c.json({ status: "ok" }) });
  route(app, "/readyz", {
    GET: async (c) => {
      deps.onReadinessAsked?.();
      const readiness = await findReadiness();
      return c.json(readiness, readiness.ready ? 200 : 503);
    },
  });
  route(app, "/metrics", { GET: (c) => readMetrics(c.req.raw.headers, findClientAddress(c)) });
  if (deps.corsOrigins?.length) app.use("/api/trpc/*", allowOrigins(deps.corsOrigins));
  route(app, "/api/trpc/*", createTrpcRoute(createContextFactory({ ...deps, rateLimits }), { bodyBudget, clock }));
  const { dueWork } = deps;
  if (dueWork) route(app, "/api/schedule", { POST: async (c) => c.json(await dueWork.perform()) });
  if (deps.hasPage ?? true) routePage(app);
  app.notFound((c) => addAnswerHeaders(c, toErrorResponse(new AppError("not_found", "No route matches this path."))));
  app.onError((error, c) => {
    const requestId = getRequestId(c);
    if (!(error instanceof AppError) || error.code === "internal")
      deps.log.error({ err: error, requestId }, "[Http] A request failed and was answered 500");
    return addAnswerHeaders(c, toErrorResponse(error));
  });
  return app;
}

function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  return cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD", "POST"],
    allowHeaders: ["authorization", "content-type", "x-request-id"],
    exposeHeaders: ["retry-after", "x-request-id"],
  });
}

function routePage(app: Hono): void {
  const page = createOperatorPage();
  route(app, "/", { GET: (c) => page.getIndex(c.req.raw) });
  // Under a base path the page is also at that path with a trailing slash. A pattern for both is unknown to hono's fast
  // router and would move all paths, the host app's included, to the slow one: 1.5 µs a request.
  const [index] = app.routes.slice(-1);
  if (index) app.routes.push({ ...index, path: "" });
  app.get("/assets/*", async (c, next) => {
    const asset = await page.findAsset(c.req.raw);
    return asset ? addAnswerHeaders(c, asset) : next();
  });
}

type Handler = (c: Context) => Response | Promise<Response>;

/** Any other method on the path is answered 405 with the allowed methods. */
function route(app: Hono, path: string, handlers: Partial<Record<"GET" | "POST", Handler>>): void {
  const allow = Object.keys(handlers)
    .flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]))
    .join(", ");
  app.all(path, async (c) => {
    const { method } = c.req;
    const handler =
      method === "GET" || method === "HEAD" ? handlers.GET : method === "POST" ? handlers.POST : undefined;
    const answer = handler
      ? await handler(c)
      : toErrorResponse(new AppError("method_not_allowed", `Only ${allow} is allowed here.`), { allow });
    return addAnswerHeaders(c, answer);
  });
}
