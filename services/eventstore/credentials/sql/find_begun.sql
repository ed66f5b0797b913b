-- The live sessions that these commands began; without their personal data. Lateral, and whether they live is asked last:
-- planned while there were few, it would read all that live, for each command.
select s.session_id, s.user_id, s.position, s.salt, s.generation, s.command_id, s.created_at, s.refreshed_at, s.expires_at,
       null, null, null
from unnest(%s::text[], %s::text[]) as c (user_id, command_id)
cross join lateral (select * from sessions where user_id = c.user_id and command_id = c.command_id offset 0) s
where s.expires_at > now()
