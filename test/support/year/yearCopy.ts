import { join } from "node:path";
import { testAdminToken, testSecret } from "../testApp.ts";

const root = join(import.meta.dir, "../../..");

/** A copy of the server with a clock that is moved from here. */
interface YearCopy {
  readonly url: string;
  /** Moves its clock; resolves when the work that is due by then is done, or the copy has ended. */
  readonly move: (offsetMs: number) => Promise<void>;
  /** SIGTERM. */
  readonly stop: () => Promise<void>;
  /** SIGKILL. */
  readonly close: () => Promise<void>;
}

/** @param options.folder of the version, see `programs.ts`; @param options.offsetMs its clock minus the machine's */
async function openYearCopy(options: {
  folder: string;
  offsetMs: number;
  env: Readonly<Record<string, string>>;
}): Promise<YearCopy> {
  const listening = Promise.withResolvers<string>();
  let settled = Promise.withResolvers<void>();
  const child = Bun.spawn(
    [process.execPath, "--no-install", "--no-env-file", join(import.meta.dir, "yearServer.ts"), options.folder],
    {
      cwd: options.folder,
      env: {
        PATH: process.env["PATH"] ?? "",
        CLERK_WEBHOOK_SECRET: testSecret,
        ADMIN_API_TOKEN: testAdminToken,
        YEAR_OFFSET_MS: String(options.offsetMs),
        ...options.env,
      },
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (message: { url?: string; settled?: true }) => {
        if (message.url !== undefined) listening.resolve(message.url);
        if (message.settled) settled.resolve();
      },
    },
  );
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  void child.exited.then(() => {
    process.off("exit", kill);
    listening.reject(new Error("The copy ended before it listened."));
    settled.resolve();
  });
  return {
    url: await listening.promise,
    move: async (offsetMs) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      settled = Promise.withResolvers();
      child.send({ offsetMs });
      await settled.promise;
    },
    stop: async () => {
      child.kill("SIGTERM");
      const code = await child.exited;
      if (code !== 0) throw new Error(`A copy that was told to stop ended with ${code}.`);
    },
    close: async () => {
      kill();
      await child.exited;
    },
  };
}

/** The two copies that share the database. */
export function createYearCopies(options: { env: Readonly<Record<string, string>>; offsetMs: () => number }) {
  const folders = [root, root];
  const copies: (YearCopy | undefined)[] = [];
  const figures = { kills: 0, stops: 0 };

  async function start(place: number): Promise<void> {
    const folder = folders[place] ?? root;
    copies[place] = await openYearCopy({ folder, offsetMs: options.offsetMs(), env: options.env });
  }

  async function end(place: number, how: "stop" | "close"): Promise<void> {
    const copy = copies[place];
    copies[place] = undefined;
    await copy?.[how]();
    figures[how === "stop" ? "stops" : "kills"] += 1;
  }

  return {
    start,
    end,
    /** Starts a copy if it has ended. */
    ensure: async (place: number): Promise<void> => {
      if (copies[place] === undefined) await start(place);
    },
    /** Replaces a copy by one of the version in the folder. */
    update: async (place: number, folder: string): Promise<void> => {
      folders[place] = folder;
      await end(place, "stop");
      await start(place);
    },
    urls: () => copies.flatMap((copy) => copy?.url ?? []),
    figures: () => figures,
    move: async (offsetMs: number): Promise<void> => {
      await Promise.all(copies.map(async (copy) => copy?.move(offsetMs)));
    },
    close: async (): Promise<void> => {
      await Promise.all(copies.map(async (copy) => copy?.close()));
    },
  };
}
