-- As an array: planned while the table was empty, a join would read all.
with gone as (select user_id from json_to_recordset(%s::json) as b (user_id text))
delete from block_ends where user_id = any(array(select user_id from gone))
