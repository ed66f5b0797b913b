-- The source of a FROM clause: the users who have the words. As an array they are read in the order of users_pkey.
users as u
where u.user_id = any(array({holders})) and {match}
