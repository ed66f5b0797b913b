-- A user with about as many events before as behind, up to a position: by a hundred of them.
select split_part(percentile_disc(0.5) within group (order by e.stream), '/', 1)
from generate_series(0, 100) n
cross join lateral (select stream from events where position = 1 + (%s::bigint - 1) * n / 100 limit 1) e
