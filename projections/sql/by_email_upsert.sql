insert into by_email (email_key, user_id)
select email_key, user_id from json_to_recordset(%s::json) as e (email_key text, user_id text)
on conflict (email_key) do update set user_id = excluded.user_id
