delete from users where user_id = any(%s)
