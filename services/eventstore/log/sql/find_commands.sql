-- The outcomes of commands that ran before; and where what they added beside the user's own stream is in the log. The user
-- of a refusal is for erasure alone.
select c.command_id, case when c.refusal is null then c.user_id end, c.version, c.refusal, added.position, c.operation,
       c.digest, coalesce(added.version, 0)
from commands c
left join lateral (
    select position, version from events e where e.stream = c.user_id || '/logins' and e.version = c.logins
) added on true
where c.command_id = any(%s)
