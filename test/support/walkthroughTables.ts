const references = Array.from({ length: 20 }, (_, place) => {
  const target = place % 2 === 0 ? "mentorados" : "users";
  const onDelete = ["cascade", "restrict", "set null", "no action"][place % 4];
  return `create table registro_${place} (id serial primary key,
    dono integer ${onDelete === "set null" ? "" : "not null"} references ${target} on delete ${onDelete}, texto text);
    create index registro_${place}_dono_idx on registro_${place} (dono);`;
}).join("\n");

/** The tables of a project that followed the walkthrough and grew: one class, 23 columns, twenty tables that refer to it. */
export const walkthroughTables = `
  create type role as enum ('user', 'admin');
  create type turma as enum ('neon');
  create type ativo as enum ('sim', 'nao');
  create table users (
    id serial primary key, clerk_id varchar(64) not null unique, name text, email varchar(320), image_url text,
    login_method varchar(64), role role default 'user' not null, created_at timestamp default now() not null,
    updated_at timestamp default now() not null, last_signed_in timestamp default now() not null);
  create index users_email_idx on users (email);
  create table mentorados (
    id serial primary key, user_id integer references users on delete set null, nome_completo varchar(255) not null,
    email varchar(320), foto_url varchar(500), turma turma not null, ativo ativo default 'sim' not null,
    meta_faturamento integer default 16000 not null, meta_leads integer default 50, meta_procedimentos integer default 10,
    meta_posts integer default 12, meta_stories integer default 60, instagram varchar(100), telefone varchar(20),
    cidade varchar(100), onboarding_completed ativo default 'nao' not null, onboarding_step integer default 0,
    observacoes text, tags text[] default '{}', preferencias jsonb default '{}', inicio date default current_date,
    created_at timestamp default now() not null, updated_at timestamp default now() not null);
  create index mentorados_user_id_idx on mentorados (user_id);
  create index mentorados_email_idx on mentorados (email);
  create index mentorados_turma_idx on mentorados (turma);
  ${references}
  insert into users (clerk_id, name, email) values ('user_Ana', 'Ana', 'ana@example.com');
  insert into mentorados (user_id, nome_completo, email, turma) values (1, 'Ana', 'ana@example.com', 'neon');
  insert into registro_0 (dono) values (1);
  insert into registro_1 (dono) values (1);
`;
