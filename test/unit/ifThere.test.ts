import { expect, test } from "bun:test";
import { ifThere } from "../../src/dev/postgres/ifThere.ts";

const failWith = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));

test("a missing file is undefined; an unreadable one is an error unless the caller says otherwise", async () => {
  expect(await ifThere(Promise.resolve("text"))).toBe("text");
  expect(await ifThere(failWith("ENOENT"))).toBeUndefined();
  expect(await ifThere(failWith("EACCES"), ["EACCES"])).toBeUndefined();
  expect(await ifThere(failWith("EACCES")).catch(String)).toBe("Error: EACCES");
  expect(await ifThere(failWith("EIO"), ["EACCES"]).catch(String)).toBe("Error: EIO");
});
