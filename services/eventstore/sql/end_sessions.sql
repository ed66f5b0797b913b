-- End all sessions of a user, or the one that is named.
delete from sessions s
using json_to_recordset(%s::json) as e (user_id text, session_id text)
where s.user_id = e.user_id and (e.session_id is null or s.session_id = e.session_id)
