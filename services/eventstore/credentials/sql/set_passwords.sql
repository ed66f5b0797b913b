insert into passwords (user_id, hash)
select user_id, hash from json_to_recordset(%s::json) as p (user_id text, hash text)
on conflict (user_id) do update set hash = excluded.hash
