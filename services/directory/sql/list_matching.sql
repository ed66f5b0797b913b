-- A page of those that {match}, in an order that no index of theirs gives. Who matches often fills the page from the next
-- 5,000 in that order; only where they do not are all that match looked up, and sorted. The planner chooses between
-- the two by how often a term occurs on the whole, and would read everybody where those who match are far behind.
with near as materialized (
    select user_id, key
    from (select user_id, {key} as key, status, search from users
          where {after}
          order by {key} {order}, user_id {order}
          limit 5000) as next
    where {match}
    order by key {order}, user_id {order}
    limit %(most)s
), far as materialized (
    select user_id, {key} as key from users
    where (select count(*) from near) < %(most)s and {after} and {match}
), exact as (
    select user_id from users
    where user_id = any(%(exact)s) and (%(status)s::text is null or status = %(status)s)
), page as (
    select array_position(%(exact)s::text[], user_id) as rank, user_id, '' as key from exact
    union all
    select 9, user_id, key from near where (select count(*) from near) = %(most)s
    union all
    (select 9, user_id, key from far order by key {order}, user_id {order} limit %(most)s)
)
select a.position, t.count, u.user_id, p.key, u.doc::text
from (select min(position) as position from projections where name in ('users', 'by_email', 'by_external_id')) a
cross join ({total}) t
left join (
    (select * from page order by rank, key {order}, user_id {order}
     limit %(count)s offset %(offset)s) p
    join users u using (user_id)
) on true
order by p.rank, p.key {order}, p.user_id {order}
