// `bun run dev` and `bun run demo`, so that in the package, which has no src/dev, they say what is missing.
import { AppError } from "../errors.ts";
import { loadDevPart } from "../loadDevPart.ts";

const parts = {
  demo: () => import("../dev/demo.ts"),
  dev: () => import("../dev/dev.ts"),
};
const name = process.argv[2] === "demo" ? "demo" : "dev";
try {
  await loadDevPart(name, parts[name]);
} catch (error) {
  console.error(error instanceof AppError ? error.message : error);
  process.exit(1);
}
