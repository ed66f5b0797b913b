-- The source of a FROM clause: the users who have the words, one after another by id, until the page is full.
(select distinct user_id as id from ({holders}) as h order by id {order}) as h
cross join lateral (select user_id, status, search from users where user_id = h.id limit 1) as u
where {match}
order by h.id {order}
limit %(most)s
