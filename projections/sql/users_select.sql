select user_id, doc, login_position, search from users where user_id = any(string_to_array(%s, ' '))
