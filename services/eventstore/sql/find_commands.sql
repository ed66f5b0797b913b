-- The outcomes of commands that ran before; and where what they added beside the user's own stream is in the log.
select c.command_id, c.user_id, c.version, c.refusal, added.position, c.operation, c.digest, coalesce(added.version, 0)
from commands c
left join lateral (
    select position, version from events e
    where e.stream = c.user_id || '/logins' and e.metadata ->> 'commandId' = c.command_id
    order by version desc limit 1
) added on true
where c.command_id = any(%s)
