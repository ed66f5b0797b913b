-- What a user proves their identity by, and as of which version.
select u.user_id, p.hash, coalesce((select max(version) from events e where e.stream = u.user_id), 0)
from (select %s::text as user_id) u
left join passwords p on p.user_id = u.user_id
