-- Keep the outcome of each command under its id. A row that is not returned was there before: the command is a repeat.
insert into commands (command_id, user_id, version, logins, refusal, operation, digest, recorded_at)
select command_id, user_id, version, logins, refusal, operation, decode(digest, 'hex'), recorded_at
from json_to_recordset(%s::json) as c (
    command_id text, user_id text, version integer, logins integer, refusal jsonb, operation text, digest text,
    recorded_at timestamptz
)
order by command_id -- one order in every process, so that two batches cannot wait for each other
on conflict (command_id) do nothing
returning command_id
