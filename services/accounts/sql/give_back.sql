-- What was counted for requests that turned out to be good, or were not made; whoever got in is known from now on. What
-- was not counted for a known caller is not given back to others. No join and no EXISTS, as in admit.sql.
with good as materialized (
    select decode(key, 'hex') as key, make_interval(secs => gap) as gap, decode(known, 'hex') as known, gets_in,
           spares and coalesce((select tat from throttles where key = decode(known, 'hex')) > now(), false) as spared
    from json_to_recordset(%(limits)s::json) as l (key text, gap double precision, spares boolean, known text, gets_in boolean)
),
locked as materialized (
    select key from throttles where key = any(array(select key from good where not spared))
    order by key -- one order in every process, as when they are counted
    for update
),
given as (
    update throttles t set tat = t.tat - (select sum(gap) from good g where g.key = t.key and not spared)
    where key = any(array(select key from locked))
)
insert into throttles (key, tat)
select distinct known, now() + interval '30 days' from good where known is not null and gets_in
order by known
on conflict (key) do update set tat = excluded.tat
