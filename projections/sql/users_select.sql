select user_id, doc, login_position from users where user_id = any(%s)
