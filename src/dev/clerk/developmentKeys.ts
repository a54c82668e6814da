// These keys are public: for development on your own machine only.

/** What `dev` verifies with and `cli simulate` signs with when there is no CLERK_WEBHOOK_SECRET. */
export const developmentWebhookSecret = `whsec_${Buffer.from("clerk-neon-sync: development").toString("base64")}`;
/** What `dev` accepts when there is no ADMIN_API_TOKEN. */
export const developmentAdminToken = "development-admin-token-0123456789";
/** The users of `dev`'s simulated Clerk and of `cli simulate` are made from it, so that both have the same users. */
export const developmentSeed = 20_26;
