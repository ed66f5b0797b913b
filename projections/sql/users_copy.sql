-- New users.
copy users (user_id, status, doc, login_position, email, name, search) from stdin
