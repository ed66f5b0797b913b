-- Of this user alone: whether they held it.
delete from claims where key = %s and user_id = %s returning key
