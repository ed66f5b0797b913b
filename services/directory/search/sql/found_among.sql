-- What stands behind FROM where those who have the words are looked at. As an array they are read in the order of users_pkey.
users as u
where u.user_id = any(array({holders})) and {match}
