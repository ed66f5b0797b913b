-- End all sessions of a user, or the one that is named. No join: planned while there were none, it would read all.
with ended as (
    select user_id, session_id from json_to_recordset(%s::json) as e (user_id text, session_id text)
)
delete from sessions
where user_id = any(array(select user_id from ended))
    and (user_id in (select user_id from ended where session_id is null)
         or (user_id, session_id) in (select user_id, session_id from ended))
