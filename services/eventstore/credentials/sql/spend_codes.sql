-- No join: planned while there were none, it would read all.
with spent as (
    select user_id, purpose from json_to_recordset(%s::json) as s (user_id text, purpose text)
)
delete from codes
where user_id = any(array(select user_id from spent))
    and ((user_id, purpose) in (select user_id, purpose from spent)) is true
