-- The first service of a log leaves a trace of its key; a later one must leave the same.
with first as (insert into key_checks (name, value) values (%(name)s, %(value)s) on conflict (name) do nothing returning value)
select value from first union all select value from key_checks where name = %(name)s
