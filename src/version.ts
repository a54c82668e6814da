import manifest from "../package.json" with { type: "json" };

/** The program's version, from `package.json`: of `/readyz`, `/metrics`, `--version` and traces. */
export const { version } = manifest;
