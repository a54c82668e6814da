-- A row of the ledger carried twice its own size in indexes. These answer the same questions, see DECISIONS.
create index if not exists "webhook_events_user_index" on "webhook_events" using btree ("clerk_id");--> statement-breakpoint
create index if not exists "webhook_events_arrival_index" on "webhook_events" using btree ("received_at" desc nulls last);--> statement-breakpoint
create index if not exists "webhook_events_no_effect_index" on "webhook_events" using btree ("outcome", "received_at" desc nulls last) where "webhook_events"."outcome" <> 'applied';--> statement-breakpoint
drop index if exists "webhook_events_clerk_id_index";--> statement-breakpoint
drop index if exists "webhook_events_received_at_index";--> statement-breakpoint
drop index if exists "webhook_events_outcome_index";--> statement-breakpoint
drop index if exists "webhook_events_dead_index";--> statement-breakpoint
-- No statement looks into the trail of links.
drop index if exists "mentorado_links_clerk_id_index";--> statement-breakpoint
drop index if exists "mentorado_links_mentorado_id_index";--> statement-breakpoint

-- From now on the two long texts are compressed where the server has lz4, which costs less than it saves; where it has
-- pglz alone they stay as they are, and the ledger's in its row. Rows that are there are not rewritten.
do $$ begin
	if exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
		execute 'alter table users alter column raw_json set storage extended, alter column raw_json set compression lz4';
		execute 'alter table webhook_events alter column payload set storage extended, alter column payload set compression lz4';
	else
		alter table "webhook_events" set (toast_tuple_target = 8160);
	end if;
end $$;
