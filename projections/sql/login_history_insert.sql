insert into login_history (user_id, position, time, outcome, ip, user_agent)
select user_id, position, time, outcome, ip, user_agent
from json_to_recordset(%s::json)
    as l (user_id text, position bigint, time timestamptz, outcome text, ip text, user_agent text)
on conflict (user_id, position) do nothing
