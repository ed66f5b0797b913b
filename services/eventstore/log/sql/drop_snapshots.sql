-- Snapshots that cannot be read.
delete from snapshots
where user_id = any(%(user_ids)s::text[])
    and (user_id, version) in (select * from unnest(%(user_ids)s::text[], %(versions)s::integer[]))
    and form = %(form)s
