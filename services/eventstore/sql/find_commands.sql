-- The outcomes of commands that ran before; and where what they added beside the user's own stream is in the log.
select command_id, user_id, version, refusal,
       (select max(position) from events e
        where e.stream = c.user_id || '/logins' and e.metadata ->> 'commandId' = c.command_id),
       operation, digest
from commands c
where command_id = any(%s)
