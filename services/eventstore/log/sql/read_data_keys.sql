-- The wrapped data keys of users who are not erased.
select user_id, epoch, wrapped from data_keys where user_id = any(%s)
