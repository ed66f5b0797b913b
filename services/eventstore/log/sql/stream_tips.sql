-- The newest event of each stream; read under the lock of log_head, so it cannot change before the commit.
select s.stream, tip.version, tip.hash
from unnest(%s::text[]) as s (stream)
cross join lateral (
    select version, hash from events e where e.stream = s.stream order by version desc limit 1
) as tip
