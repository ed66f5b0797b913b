update users
set status = n.status, doc = n.doc::json, login_position = n.login_position, email = n.email, name = n.name,
    search = n.search
from json_to_recordset(%s::json) as n (
    user_id text, status text, doc text, login_position bigint, email text, name text, search text
)
where users.user_id = n.user_id
