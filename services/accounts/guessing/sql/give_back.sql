-- What was counted for requests that turned out to be good, or were not made; callers that got in are known from now
-- on. What was not counted for a caller is not given back to others. No join and no EXISTS, as in admit.sql.
-- A caller that is right while the mailbox of the account is proved begins afresh, and the proof is used up.
with good as materialized (
    select decode(key, 'hex') as key, make_interval(secs => gap) as gap, decode(known, 'hex') as known, gets_in,
           "of" = case
               when (select tat from throttles where key = decode(known, 'hex')) > now() then 'strangers' else 'known'
           end as spared,
           case
               when gets_in and (select tat from throttles where key = decode(proof, 'hex')) > now()
               then decode(proof, 'hex')
           end as proof
    from json_to_recordset(%(limits)s::json) as l (
        key text, gap double precision, "of" text, known text, proof text, gets_in boolean
    )
),
fresh as materialized (
    select proof as key from good where proof is not null
    union
    select key from good where proof is not null and not spared
),
locked as materialized (
    select key from throttles
    where key = any(array(select key from good where not spared union select key from fresh))
    order by key -- one order in every process, as when they are counted
    for update
),
given as (
    update throttles t
    set tat = case
        when t.key = any(array(select key from fresh)) then now()
        else t.tat - (select sum(gap) from good g where g.key = t.key and not spared)
    end
    where key = any(array(select key from locked))
)
insert into throttles (key, tat)
select distinct known, now() + interval '30 days' from good where known is not null and gets_in
order by known
on conflict (key) do update set tat = excluded.tat
