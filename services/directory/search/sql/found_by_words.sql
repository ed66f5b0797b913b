-- The source of a FROM clause where words alone tell which users match: no row of `users` is read.
(select distinct user_id from ({holders}) as h) as u
where u.user_id <> all(%(apart)s)
