select s.session_id, s.user_id, s.position, s.salt, s.generation, s.command_id, s.created_at, s.refreshed_at, s.expires_at,
       null, null, null
from sessions s
where s.session_id = %s and s.expires_at > now()
