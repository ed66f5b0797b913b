-- A document never goes back: events that are applied again change nothing.
insert into users (user_id, status, doc, login_position)
select user_id, status, doc, login_position
from json_to_recordset(%s::json) as u (user_id text, status text, doc json, login_position bigint)
on conflict (user_id) do update
set status = excluded.status, doc = excluded.doc, login_position = excluded.login_position
where (excluded.doc ->> 'version')::integer > (users.doc ->> 'version')::integer
    or excluded.login_position > users.login_position
