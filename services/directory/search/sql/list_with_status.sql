-- A page of those with a status, by when they were created. As a range and in the order of users_status: the planner would
-- read all users by users_pkey where many have the status, and those may all be far behind.
select a.position, t.count, t.estimated, u.user_id, p.user_id, u.doc::text
from (select position from projections where name = 'users') a
cross join ({total}) t
left join (
    (select user_id from users
     where status between %(status)s and %(status)s and {after}
     order by status {order}, user_id {order}
     limit %(count)s offset %(offset)s) p
    join users u using (user_id)
) on true
order by p.user_id {order}
