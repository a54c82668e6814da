import { z } from "zod";
import { clerkIdPattern } from "../domain/clerkId.ts";

export const clerkIdSchema = z.string().regex(clerkIdPattern, "must be user_ and 1–60 letters or digits");
