insert into by_external_id (external_id, user_id)
select external_id, user_id from json_to_recordset(%s::json) as e (external_id text, user_id text)
on conflict (external_id) do update set user_id = excluded.user_id
