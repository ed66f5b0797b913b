-- GCRA: each limit has a theoretical arrival time; a request is let in while it is not further ahead than the burst, and
-- moves it on by one interval. A limit that spares known callers is not asked for one that got in before.
with asked as (
    select decode(key, 'hex') as key, burst, gap, spares
    from json_to_recordset(%(limits)s::json) as l (key text, burst double precision, gap double precision, spares boolean)
),
known as (select 1 from throttles where key = %(known)s and tat > now()),
counted as (
    insert into throttles as t (key, tat)
    select key, now() + make_interval(secs => gap) from asked where not (spares and exists (select from known))
    order by key -- one order in every process, so that two requests cannot wait for each other
    on conflict (key) do update
    set tat = greatest(t.tat, now()) + (excluded.tat - now())
    where greatest(t.tat, now()) + (excluded.tat - now())
        <= now() + (select make_interval(secs => burst * gap) from asked a where a.key = t.key)
    returning key
)
select (select count(*) from counted) = (select count(*) from asked where not (spares and exists (select from known)))
