-- What lists and searches use.
alter table users alter column search set statistics 400; -- about how many match is told to within a half per cent
create index if not exists users_status on users (status, user_id);
create index if not exists users_email on users (email, user_id);
create index if not exists users_name on users (name, user_id);
do $$
declare
    home text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
                  where e.extname = 'pg_trgm');
begin
    execute format('create index if not exists words_parts on words using gin (word %I.gin_trgm_ops)
                    with (gin_pending_list_limit = 256)', home);
end
$$;
