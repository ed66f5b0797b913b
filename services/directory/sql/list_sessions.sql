-- The live sessions of a user, newest first. One row of nulls where there are none; no row where the user does not exist:
-- a user has a data key from their first event until they are erased.
select s.session_id, s.created_at, s.refreshed_at, s.expires_at, s.private, k.epoch, k.wrapped
from data_keys k
left join sessions s on s.user_id = k.user_id and s.expires_at > now()
where k.user_id = %s
order by s.created_at desc, s.session_id desc
limit 1000
