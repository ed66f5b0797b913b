-- What was counted for a request that turned out to be good; and who came is known from now on. What was not counted for
-- a known caller is not given back to others.
with known as (select 1 from throttles where key = %(known)s and tat > now()),
given as (
    update throttles t set tat = t.tat - make_interval(secs => l.gap)
    from json_to_recordset(%(limits)s::json) as l (key text, gap double precision, spares boolean)
    where t.key = decode(l.key, 'hex') and not (l.spares and exists (select from known))
)
insert into throttles (key, tat) select %(known)s::bytea, now() + interval '30 days' where %(known)s::bytea is not null
on conflict (key) do update set tat = excluded.tat
