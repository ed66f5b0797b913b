-- Accounts whose mailbox was proved lately. They take guesses until that is over; each guess brings its end nearer.
with locked as materialized (
    select key from throttles where key = any(%(keys)s) and tat > now()
    order by key -- one order in every process, as in admit.sql
    for update
)
update throttles t
set tat = t.tat - make_interval(secs => %(gap)s * (select count(*) from unnest(%(keys)s::bytea[]) k where k = t.key))
where t.key = any(array(select key from locked))
returning t.key
