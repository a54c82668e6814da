// `bun test/drawOperatorPage.ts`: the picture of the operator page in the README, from the data of the demo.
import { join } from "node:path";
import { deliverDemo, openOperatorPageTest } from "./support/operatorPage.ts";

const path = join(import.meta.dir, "..", ".github", "operator-page.png");
const viewport = { width: 1_180, height: 960 };

const opened = await openOperatorPageTest();
try {
  await deliverDemo(opened);
  await opened.enter(
    async (page) => {
      await page.getByRole("button", { name: "Link" }).first().waitFor();
      await page.screenshot({ path });
    },
    { viewport, colorScheme: "light" },
  );
} finally {
  await opened.close();
}
console.log(path);
process.exit(0);
