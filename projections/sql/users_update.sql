-- Users who are there, by their key: an update that joins, planned while there were few, would read all of them.
insert into users (user_id, status, doc, login_position, email, name, search)
select user_id, status, doc::json, login_position, email, name, search
from json_to_recordset(%s::json) as n (
    user_id text, status text, doc text, login_position bigint, email text, name text, search text
)
on conflict (user_id) do update
set status = excluded.status, doc = excluded.doc, login_position = excluded.login_position, email = excluded.email,
    name = excluded.name, search = excluded.search
