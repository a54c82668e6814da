import { expect, test } from "bun:test";
import { BrokenCircuitError, CircuitState } from "cockatiel";
import { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { createBreaker } from "../../src/store/connection/breaker.ts";
import { createTestClock } from "../support/testClock.ts";

/** A database that is away until `isAway` says otherwise. */
function open() {
  const clock = createTestClock();
  const breaker = createBreaker({ clock, log: silentLog });
  const database = { isAway: true, calls: 0 };
  /** `ok`, `away`, or `open` where the database was not asked. */
  const ask = async (error: Error = new AppError("unavailable", "away")) => {
    const call = async () => {
      database.calls += 1;
      if (database.isAway) throw error;
      return "ok";
    };
    return breaker.execute(call).catch((cause: unknown) => (cause instanceof BrokenCircuitError ? "open" : "away"));
  };
  const openBreaker = async () => {
    await Promise.all([ask(), ask()]);
    await clock.advance(100);
    await ask();
  };
  return { clock, breaker, database, ask, openBreaker };
}

test("failures at the same time keep the breaker closed, a third one 100 ms later opens it", async () => {
  const { clock, breaker, ask } = open();
  for (let n = 0; n < 10; n += 1) expect(await ask()).toBe("away");
  await clock.advance(99);
  expect([await ask(), CircuitState[breaker.state]]).toEqual(["away", "Closed"]);
  await clock.advance(1);
  expect([await ask(), CircuitState[breaker.state]]).toEqual(["away", "Open"]);
});

test("an error response of the database does not count as a failure of the breaker", async () => {
  const { clock, breaker, ask } = open();
  for (let n = 0; n < 10; n += 1) {
    await ask(new Error("duplicate key"));
    await clock.advance(100);
  }
  expect(CircuitState[breaker.state]).toBe("Closed");
});

test("an open breaker lets one call a second through, and the first that succeeds closes it", async () => {
  const { clock, breaker, database, ask, openBreaker } = open();
  await openBreaker();
  for (let second = 0; second < 3; second += 1) {
    database.calls = 0;
    await clock.advance(999);
    expect([await ask(), database.calls]).toEqual(["open", 0]);
    await clock.advance(1);
    expect([await ask(), await ask(), database.calls]).toEqual(["away", "open", 1]);
  }
  database.isAway = false;
  await clock.advance(1_000);
  expect([await ask(), CircuitState[breaker.state]]).toEqual(["ok", "Closed"]);
});
