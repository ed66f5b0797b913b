-- What stands behind FROM where words alone tell who is found: no row of `users` is looked at.
(select distinct user_id from ({holders}) as h) as u
where u.user_id <> all(%(apart)s)
