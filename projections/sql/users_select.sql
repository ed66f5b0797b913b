select user_id, doc from users where user_id = any(%s)
