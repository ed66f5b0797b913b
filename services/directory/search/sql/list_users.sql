-- A page in the order of an index: {key} is the column that the list is sorted by, {order} is asc or desc, {beyond} is
-- > or <. The number of all, and how far the projection is, stand in each row; there is one without a user at least.
-- Documents are read of those shown alone: an offset skips entries of the index.
select a.position, t.count, t.estimated, u.user_id, p.key, u.doc::text
from (select position from projections where name = 'users') a
cross join ({total}) t
left join (
    (select user_id, {key} as key from users
     where {after}
     order by {key} {order}, user_id {order}
     limit %(count)s offset %(offset)s) p
    join users u using (user_id)
) on true
order by p.key {order}, p.user_id {order}
