delete from by_external_id where user_id = any(%s)
