create index if not exists "users_standing_index" on "users" using btree ("id", "deleted_at", "link_held_at", "email_verified", "email");--> statement-breakpoint
create index if not exists "webhook_events_outcome_index" on "webhook_events" using btree ("outcome", "received_at" desc nulls last);
