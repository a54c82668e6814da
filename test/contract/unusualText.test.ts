import { expect, test } from "bun:test";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());

test("U+0000, lone surrogates, right-to-left marks and combining storms are stored as far as Postgres can hold them", async () => {
  const odd = `A\u0000B\ud800C\udfffD\u202eE\u200fF${"\u0301".repeat(500)}\ufeff\ufffe😀`;
  const body = JSON.stringify(
    userEvent(clerkUser("user_Odd", { first_name: odd, last_name: null, public_metadata: { [odd]: odd } })),
  );
  expect((await t.deliver(body)).said).toBe("applied");
  const [row] = await t.sql`select name, raw_json from users where clerk_id = 'user_Odd'`;
  expect(row?.["name"]).toBe(`ABCD\u202eE\u200fF${"\u0301".repeat(500)}\ufeff\ufffe😀`.trim());
  expect(JSON.stringify(row?.["raw_json"])).not.toContain("\\u0000");
});

test("names that look like a part of a row, an array or a null are stored unchanged", async () => {
  const names = [
    `a","b`,
    String.raw`\"`,
    String.raw`back\slash\\`,
    "(1,2)",
    ")",
    ",,",
    "{a,b}",
    "NULL",
    "a\nb",
    "$1 '' $$",
  ];
  for (const [place, name] of names.entries()) {
    const id = `user_Punctuated${place}`;
    await t.deliver(userEvent(clerkUser(id, { first_name: name, last_name: null })));
    expect((await t.findUser(id))?.["name"]).toBe(name);
  }
});
