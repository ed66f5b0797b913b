-- The live sessions of a user, newest first.
select s.session_id, s.user_id, s.position, s.salt, s.generation, s.command_id, s.created_at, s.refreshed_at, s.expires_at,
       s.private, k.epoch, k.wrapped
from sessions s
join data_keys k on k.user_id = s.user_id
where s.user_id = %s and s.expires_at > now()
order by s.created_at desc, s.session_id desc
limit 1000
