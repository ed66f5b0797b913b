-- The hashes of these users' passwords.
select user_id, hash from passwords where user_id = any(%s)
