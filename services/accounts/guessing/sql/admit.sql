-- GCRA: each limit has a theoretical arrival time; a request is let in while it is not further ahead than the burst, and
-- moves it on by one interval. Some limits are asked of callers who got in before, some of all others. What one limit
-- refuses is not counted by the others, or one address that tries on would use up what the account has for all.
-- Of many requests at once, no two of which ask the same limit: those that are let in.
-- Subqueries by key, no join and no EXISTS: those would read all keys there are.
with limits as materialized (
    select request, decode(key, 'hex') as key, make_interval(secs => gap) as gap, make_interval(secs => burst * gap) as most,
           "of" = case
               when (select tat from throttles where key = decode(known, 'hex')) > now() then 'strangers' else 'known'
           end as spared
    from json_to_recordset(%(limits)s::json) as l (
        request integer, key text, burst double precision, gap double precision, "of" text, known text
    )
),
refused as (
    select request from limits l
    where not spared and greatest((select tat from throttles f where f.key = l.key), now()) + l.gap > now() + l.most
),
counted as (
    insert into throttles as t (key, tat)
    select key, now() + gap from limits where not spared and request not in (select request from refused)
    order by key -- one order in every process, so that two groups cannot wait for each other
    on conflict (key) do update
    set tat = greatest(t.tat, now()) + (excluded.tat - now())
    -- Once more, for requests that come at once.
    where greatest(t.tat, now()) + (excluded.tat - now()) <= now() + (select most from limits l where l.key = t.key)
    returning key
)
select request from limits group by request having bool_and(spared or key in (select key from counted))
