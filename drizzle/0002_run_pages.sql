create table if not exists "sync_run_pages" (
	"run_id" uuid not null,
	"step" integer not null,
	"user_ids" integer[] not null,
	constraint "sync_run_pages_run_id_step_pk" primary key ("run_id", "step")
);
