import { loadDevPart } from "../loadDevPart.ts";
import type { Output } from "./output.ts";

/**
 * Loads the simulation, the one command that needs src/dev.
 * @returns whether the server took every event
 * @throws AppError `bad_request`, `precondition_failed` in the package; ConfigError
 */
export async function simulate(
  options: { url: string; users: string; env: Record<string, string | undefined> },
  output: Output,
): Promise<boolean> {
  const { runSimulation } = await loadDevPart("cli simulate", () => import("../dev/runSimulation.ts"));
  return runSimulation(options, output);
}
