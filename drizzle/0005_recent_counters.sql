create table if not exists "event_counters_recent" (
	"second" timestamp with time zone not null,
	"outcome" text not null,
	"lag_bucket" smallint not null,
	"events" bigint not null,
	"lag_ms_sum" double precision default 0 not null,
	constraint "event_counters_recent_second_outcome_lag_bucket_pk" primary key ("second", "outcome", "lag_bucket")
);--> statement-breakpoint
-- A role of least privilege that serves deliveries goes on without a new grant: what may update the counters and the runs
-- may also fold and delete their old rows.
do $$
declare
	g record;
begin
	for g in
		select distinct c.relname, case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
		from pg_class c cross join aclexplode(c.relacl) a
		where c.oid in ('public.event_counters'::regclass, 'public.sync_runs'::regclass)
			and a.privilege_type = 'UPDATE' and a.grantee <> c.relowner
	loop
		execute format('grant delete on public.%I to %s', g.relname, g.grantee);
		if g.relname = 'event_counters' then
			execute format('grant select, insert, update, delete on public.event_counters_recent to %s', g.grantee);
		end if;
	end loop;
end $$;
