delete from by_email where user_id = any(%s)
