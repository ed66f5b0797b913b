-- Sets each of these keys to so many seconds from now, whatever it was: a proof lasts as long, a limit of 0 is unused.
insert into throttles (key, tat)
select key, now() + make_interval(secs => seconds) from unnest(%s::bytea[], %s::float8[]) as p (key, seconds)
order by key -- one order in every process, as in admit.sql
on conflict (key) do update set tat = excluded.tat
