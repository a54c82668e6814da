alter table "event_counters" add column if not exists "lag_ms_sum" double precision default 0 not null;
--> statement-breakpoint
-- Of what was counted before, only the bucket is known.
update "event_counters" set "lag_ms_sum" = "events" * power(1.1, "lag_bucket") where "lag_bucket" >= 0;
