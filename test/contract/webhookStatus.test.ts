import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";
import { declareWebhookCases, webhookCaseSecrets } from "../support/webhookCases.ts";

declareWebhookCases(
  openForFile(() => openTestApp({ app: { webhookSecrets: webhookCaseSecrets, clerkInstanceId: "ins_1" } })),
);
