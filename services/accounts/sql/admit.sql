-- GCRA: each limit has a theoretical arrival time; a request is let in while it is not further ahead than the burst, and
-- moves it on by one interval. A limit that spares known callers is not asked for one that got in before. What one limit
-- refuses is not counted by the others, or who tries on from one address would use up what the account has for all.
with known as (select 1 from throttles where key = %(known)s and tat > now()),
asked as (
    select decode(key, 'hex') as key, make_interval(secs => gap) as gap, make_interval(secs => burst * gap) as most
    from json_to_recordset(%(limits)s::json) as l (key text, burst double precision, gap double precision, spares boolean)
    where not (spares and exists (select from known))
),
counted as (
    insert into throttles as t (key, tat)
    select key, now() + gap from asked
    where not exists (
        select from asked a join throttles f using (key) where greatest(f.tat, now()) + a.gap > now() + a.most
    )
    order by key -- one order in every process, so that two requests cannot wait for each other
    on conflict (key) do update
    set tat = greatest(t.tat, now()) + (excluded.tat - now())
    -- Once more, for those who come at once.
    where greatest(t.tat, now()) + (excluded.tat - now()) <= now() + (select most from asked a where a.key = t.key)
    returning key
)
select (select count(*) from counted) = (select count(*) from asked)
