-- The words that users have, once each, and what their parts are looked up in.
do $$
declare
    home text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
                  where e.extname = 'pg_trgm');
begin
    if not exists (select from pg_constraint where conrelid = 'words'::regclass and contype = 'p') then
        insert into words select distinct word from user_words;
        alter table words add primary key (word);
    end if;
    execute format('create index if not exists words_parts on words using gin (word %I.gin_trgm_ops)
                    with (gin_pending_list_limit = 64)', home);
end
$$;
