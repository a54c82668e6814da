-- Row ids are whatever integer the team's tables have.
alter table "mentorado_links"
	alter column "mentorado_id" set data type bigint,
	alter column "user_id" set data type bigint;--> statement-breakpoint
alter table "sync_run_pages" alter column "user_ids" set data type bigint[];--> statement-breakpoint
-- What a rule of the database refused, and which version of the user it would have stored.
alter table "webhook_events"
	add column if not exists "error_detail" text,
	add column if not exists "refused_version" text collate "C";--> statement-breakpoint
create index if not exists "webhook_events_refused_index" on "webhook_events" using btree ("clerk_id") where "webhook_events"."error_code" = 'refused';
