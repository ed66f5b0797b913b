-- Which snapshots there are, in order.
select user_id, version, position
from snapshots
where form = %(form)s and (user_id, version) > (%(user_id)s, %(version)s)
order by user_id, version
limit 1000
