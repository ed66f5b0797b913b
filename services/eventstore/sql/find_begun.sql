-- The live sessions that these commands began; without their personal data.
select s.session_id, s.user_id, s.position, s.salt, s.generation, s.command_id, s.created_at, s.refreshed_at, s.expires_at,
       null, null, null
from sessions s
join unnest(%s::text[], %s::text[]) as c (user_id, command_id) using (user_id, command_id)
where s.expires_at > now()
