# docker build -f .Dockerfile -t clerk-neon-sync .
# The image holds one file. `docker run --env-file .env clerk-neon-sync` starts the server; `… clerk-neon-sync migrate`
# and every other command of the command line work the same way.
FROM oven/bun:1.4.5-slim AS build
WORKDIR /build
COPY package.json bun.lock bunfig.toml tsconfig.json ./
RUN bun install --frozen-lockfile --ignore-scripts
COPY drizzle drizzle
COPY src src
RUN bun src/tools/build.ts /build/clerk-neon-sync

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/clerk-neon-sync /clerk-neon-sync
USER nonroot
ENV LOG_FORMAT=json
EXPOSE 3000
# Asks /healthz: whether the process answers. Whether it is ready for traffic: /readyz.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/clerk-neon-sync", "healthcheck"]
# Deliveries in flight are answered within 10 s of SIGTERM, and `docker stop` kills after 10 s: use `--time 15`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/clerk-neon-sync"]
