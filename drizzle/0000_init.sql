-- Applies to an empty database and to one that already has `users` and `mentorados`: it adds what is missing and never
-- drops, retypes or rewrites what is there. What it cannot add because of old data is found, and named, beforehand.
do $$ begin create type "ativo" as enum ('sim', 'nao'); exception when duplicate_object then null; end $$;--> statement-breakpoint
do $$ begin create type "role" as enum ('user', 'admin'); exception when duplicate_object then null; end $$;--> statement-breakpoint
do $$ begin create type "turma" as enum ('neon_estrutura', 'neon_escala'); exception when duplicate_object then null; end $$;--> statement-breakpoint

-- How e-mail addresses are compared: without surrounding white space (that of ECMAScript's trim) and without regard to
-- ASCII case. Two indexes are built on it, so its body must never change.
create or replace function clerk_email_key(email text) returns text
language sql immutable parallel safe
return nullif(lower(btrim(email, E' \t\n\u000b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') collate "C"), '');--> statement-breakpoint

create table if not exists "users" (
	"id" serial primary key not null,
	"clerk_id" varchar(64) not null,
	"name" text,
	"email" varchar(320),
	"image_url" text,
	"login_method" varchar(64),
	"role" "role" default 'user' not null,
	"created_at" timestamp with time zone default now() not null,
	"updated_at" timestamp with time zone default now() not null,
	"last_signed_in" timestamp with time zone default now() not null,
	constraint "users_clerk_id_unique" unique ("clerk_id")
);--> statement-breakpoint
alter table "users"
	add column if not exists "name" text,
	add column if not exists "email" varchar(320),
	add column if not exists "image_url" text,
	add column if not exists "login_method" varchar(64),
	add column if not exists "role" "role" default 'user' not null,
	add column if not exists "created_at" timestamp with time zone default now() not null,
	add column if not exists "updated_at" timestamp with time zone default now() not null,
	add column if not exists "last_signed_in" timestamp with time zone default now() not null,
	add column if not exists "email_verified" boolean default false not null,
	add column if not exists "raw_json" jsonb,
	add column if not exists "clerk_created_at" timestamp with time zone,
	add column if not exists "clerk_updated_at" timestamp with time zone,
	add column if not exists "deleted_at" timestamp with time zone,
	add column if not exists "synced_at" timestamp with time zone,
	add column if not exists "sync_source" varchar(16),
	add column if not exists "clerk_version" text collate "C",
	add column if not exists "role_version" text collate "C",
	add column if not exists "link_held_at" timestamp with time zone;--> statement-breakpoint
do $$ begin
	if not exists (
		select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
		where i.indrelid = 'users'::regclass and i.indisunique and i.indnkeyatts = 1 and i.indpred is null and a.attname = 'clerk_id'
	) then
		alter table "users" add constraint "users_clerk_id_unique" unique ("clerk_id");
	end if;
end $$;--> statement-breakpoint

create table if not exists "mentorados" (
	"id" serial primary key not null,
	"user_id" integer,
	"nome_completo" varchar(255) not null,
	"email" varchar(320),
	"foto_url" varchar(500),
	"turma" "turma" not null,
	"ativo" "ativo" default 'sim' not null,
	"created_at" timestamp with time zone default now() not null,
	"updated_at" timestamp with time zone default now() not null
);--> statement-breakpoint
alter table "mentorados"
	add column if not exists "user_id" integer,
	add column if not exists "email" varchar(320),
	add column if not exists "foto_url" varchar(500),
	add column if not exists "ativo" "ativo" default 'sim' not null,
	add column if not exists "created_at" timestamp with time zone default now() not null,
	add column if not exists "updated_at" timestamp with time zone default now() not null;--> statement-breakpoint
do $$ begin
	if not exists (
		select from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
		where c.conrelid = 'mentorados'::regclass and c.contype = 'f' and c.confrelid = 'users'::regclass and a.attname = 'user_id'
	) then
		alter table "mentorados" add constraint "mentorados_user_id_users_id_fk"
			foreign key ("user_id") references "users"("id") on delete set null on update no action;
	end if;
end $$;--> statement-breakpoint

create table if not exists "webhook_events" (
	"svix_id" text collate "C" primary key not null,
	"type" text,
	"clerk_id" varchar(64),
	"instance_id" text,
	"occurred_at" timestamp with time zone,
	"received_at" timestamp with time zone not null,
	"settled_at" timestamp with time zone not null,
	"outcome" text not null,
	"error_code" text,
	"attempts" integer default 1 not null,
	"payload" text
);--> statement-breakpoint
create table if not exists "event_counters" (
	"hour" timestamp with time zone not null,
	"outcome" text not null,
	"lag_bucket" smallint not null,
	"events" bigint not null,
	constraint "event_counters_hour_outcome_lag_bucket_pk" primary key ("hour", "outcome", "lag_bucket")
);--> statement-breakpoint
create table if not exists "sync_runs" (
	"id" uuid primary key not null,
	"kind" text not null,
	"status" text not null,
	"dry_run" boolean default false not null,
	"started_by" text not null,
	"full" boolean default true not null,
	"started_at" timestamp with time zone default now() not null,
	"finished_at" timestamp with time zone,
	"seen" integer default 0 not null,
	"applied" integer default 0 not null,
	"unchanged" integer default 0 not null,
	"stale" integer default 0 not null,
	"deleted" integer default 0 not null,
	"drift_missing" integer default 0 not null,
	"drift_stale" integer default 0 not null,
	"drift_deleted" integer default 0 not null,
	"error" text,
	"cursor" jsonb,
	"cancel_requested_at" timestamp with time zone,
	"lease_owner" text,
	"lease_until" timestamp with time zone
);--> statement-breakpoint
create table if not exists "mentorado_links" (
	"id" bigserial primary key not null,
	"mentorado_id" integer not null,
	"user_id" integer not null,
	"clerk_id" varchar(64) not null,
	"action" text not null,
	"actor" text not null,
	"svix_id" text,
	"at" timestamp with time zone default now() not null
);--> statement-breakpoint

-- Compressing these two cost a third of Postgres' time per delivery (pglz); disk is cheaper.
alter table "users" alter column "raw_json" set storage external;--> statement-breakpoint
alter table "webhook_events" alter column "payload" set storage external;--> statement-breakpoint

create unique index if not exists "mentorados_user_id_unique" on "mentorados" using btree ("user_id") where "mentorados"."user_id" is not null;--> statement-breakpoint
create index if not exists "mentorados_email_key_index" on "mentorados" using btree (clerk_email_key("email"));--> statement-breakpoint
create index if not exists "users_email_key_index" on "users" using btree (clerk_email_key("email")) where "users"."deleted_at" is null and "users"."email_verified";--> statement-breakpoint
create index if not exists "webhook_events_clerk_id_index" on "webhook_events" using btree ("clerk_id", "received_at" desc nulls last);--> statement-breakpoint
create index if not exists "webhook_events_received_at_index" on "webhook_events" using btree ("received_at" desc nulls last, "svix_id" desc nulls last);--> statement-breakpoint
create index if not exists "webhook_events_dead_index" on "webhook_events" using btree ("received_at") where "webhook_events"."outcome" = 'dead';--> statement-breakpoint
create index if not exists "webhook_events_payload_index" on "webhook_events" using btree ("settled_at") where "webhook_events"."payload" is not null;--> statement-breakpoint
create index if not exists "mentorado_links_clerk_id_index" on "mentorado_links" using btree ("clerk_id");--> statement-breakpoint
create index if not exists "mentorado_links_mentorado_id_index" on "mentorado_links" using btree ("mentorado_id");--> statement-breakpoint
create unique index if not exists "sync_runs_open_unique" on "sync_runs" using btree ("kind") where "sync_runs"."status" = 'running';--> statement-breakpoint
create index if not exists "sync_runs_started_at_index" on "sync_runs" using btree ("started_at" desc nulls last, "id" desc nulls last);
