-- From which id on the users of a message of an import are numbered: given out now, or when it came before; and of a chunk
-- that is done, when it was done. Where another service has begun it just now, there is no row: ask again.
with done as (
    select first, digest from import_chunks where import_id = %(import_id)s::text and chunk = %(chunk)s::integer
), begun as (
    insert into import_ids (command_id, first, digest)
    select %(command_id)s, %(first)s, %(digest)s::bytea where not exists (select from done)
    on conflict (command_id) do nothing
    returning first, digest
)
select 'done', coalesce(first, %(first)s), digest from done
union all
select 'new', first, digest from begun
union all
select 'repeated', first, digest from import_ids
where command_id = %(command_id)s and not exists (select from done)
