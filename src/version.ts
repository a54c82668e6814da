import manifest from "../package.json" with { type: "json" };

/** The program's version from `package.json`, for `/readyz`, `/metrics`, `--version` and traces. */
export const { version } = manifest;
