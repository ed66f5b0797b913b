-- Those of these streams of logins in which a sign-in succeeded. Lateral: it stops at the first one, however many follow.
select s.stream
from unnest(%s::text[]) as s (stream)
cross join lateral (
    select from events e where e.stream = s.stream and e.type = 'LoginSucceeded' order by e.version limit 1
) as first
