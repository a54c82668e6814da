import { afterAll } from "bun:test";
import { closeTestPostgres } from "./testPostgres.ts";

afterAll(closeTestPostgres);
