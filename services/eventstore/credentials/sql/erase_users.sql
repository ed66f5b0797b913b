-- Without its data key what the log holds of a user can never be read again. As arrays: planned while tables
-- were empty, joins would read all.
with erased as (select user_id from json_to_recordset(%s::json) as u (user_id text)),
     passwords_gone as (delete from passwords where user_id = any(array(select user_id from erased))),
     codes_gone as (delete from codes where user_id = any(array(select user_id from erased))),
     sessions_gone as (delete from sessions where user_id = any(array(select user_id from erased))),
     block_ends_gone as (delete from block_ends where user_id = any(array(select user_id from erased))),
     mails_gone as (delete from mails where user_id = any(array(select user_id from erased))),
     digests_gone as (
         update commands set digest = null
         where digest is not null and user_id = any(array(select user_id from erased))
     )
delete from data_keys where user_id = any(array(select user_id from erased))
