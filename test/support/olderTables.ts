/** The tables of a team that had its own before this program came, with everything the migration must leave alone. */
export const olderTables = `
  create type role as enum ('user', 'admin', 'mentor');
  create type turma as enum ('neon_estrutura', 'neon_escala', 'neon_legado');
  create type ativo as enum ('sim', 'nao', 'pausado');
  create table users (
    id serial primary key, clerk_id varchar(64) not null unique, name text, email varchar(320), image_url text,
    login_method varchar(64), role role default 'user' not null, created_at timestamp default now() not null,
    updated_at timestamp default now() not null, last_signed_in timestamp default now() not null);
  create index users_email_idx on users (email);
  create table mentorados (
    id serial primary key, user_id integer references users on delete set null, nome_completo varchar(255) not null,
    email varchar(320), foto_url varchar(500), turma turma not null, meta_faturamento integer default 16000 not null,
    meta_leads integer default 50, meta_procedimentos integer default 10, meta_posts integer default 12,
    meta_stories integer default 60, ativo ativo default 'sim' not null,
    created_at timestamp default now() not null, updated_at timestamp default now() not null);
  create index mentorados_user_id_idx on mentorados (user_id);
  create index mentorados_email_idx on mentorados (email);
  create index mentorados_turma_idx on mentorados (turma);
  create view mentorados_ativos as select m.*, u.email as login from mentorados m left join users u on u.id = m.user_id;
  create table audit (at timestamp default now());
  create function note() returns trigger language plpgsql as $$ begin insert into audit default values; return new; end $$;
  create trigger note after insert or update on mentorados for each row execute function note();
  insert into users (clerk_id, name, email) values ('user_Old1', 'Ana', 'ana@example.com'), ('user_Old2', 'Bia', 'bia@example.com');
  insert into mentorados (user_id, nome_completo, email, turma) values
    (1, 'Ana', 'ana@example.com', 'neon_legado'), (null, 'Bia', 'bia@example.com', 'neon_escala'),
    (null, 'Bia too', 'BIA@example.com ', 'neon_escala');
`;
