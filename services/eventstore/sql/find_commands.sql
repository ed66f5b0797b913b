-- The outcomes of commands that ran before.
select command_id, user_id, version, refusal from commands where command_id = any(%s)
