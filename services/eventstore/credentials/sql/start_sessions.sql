insert into sessions
    (session_id, user_id, position, salt, command_id, created_at, refreshed_at, expires_at, private)
select session_id, user_id, position, decode(salt, 'hex'), command_id, created_at, created_at, expires_at,
       decode(private, 'hex')
from json_to_recordset(%s::json) as s (
    session_id text, user_id text, position bigint, salt text, command_id text, created_at timestamptz,
    expires_at timestamptz, private text
)
