-- Free what a user held. The holder is named, so that no user can free what another holds. No join: planned while there were
-- few, it would read all.
with released as (
    select decode(key, 'hex') as key, user_id from json_to_recordset(%s::json) as r (key text, user_id text)
)
delete from claims
where key = any(array(select key from released))
    and ((key, user_id) in (select key, user_id from released)) is true
