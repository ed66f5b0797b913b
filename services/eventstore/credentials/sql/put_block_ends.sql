-- A user has one block, and the newest end of it counts.
insert into block_ends (user_id, ends_at)
select user_id, ends_at from json_to_recordset(%s::json) as b (user_id text, ends_at timestamptz)
on conflict (user_id) do update set ends_at = excluded.ends_at
