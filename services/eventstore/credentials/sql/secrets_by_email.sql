-- Whose addresses these are, and what they prove themselves by. The version is read in the same snapshot: a password that
-- is changed later is no longer what was proved.
select c.key, c.user_id, p.hash, coalesce((select max(version) from events e where e.stream = c.user_id), 0)
from claims c
left join passwords p on p.user_id = c.user_id
where c.key = any(%s)
