select value from key_checks where name = %(name)s
