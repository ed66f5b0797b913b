delete from login_history where user_id = any(%s)
