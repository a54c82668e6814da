/** Adds loopback to NO_PROXY: Bun's fetch would send requests to this machine through HTTP_PROXY too. */
export function bypassProxyOnLoopback(env: Record<string, string | undefined>): void {
  const hosts = [env["NO_PROXY"] ?? env["no_proxy"], "127.0.0.1", "localhost"].filter(Boolean).join(",");
  env["NO_PROXY"] = hosts;
  env["no_proxy"] = hosts;
}
