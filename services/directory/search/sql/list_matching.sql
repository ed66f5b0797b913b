-- A page of those that are found, in an order that no index of theirs gives. Who matches often fills the page from the next
-- 5,000 in that order; only where they do not are all looked up, and sorted. The planner chooses between the two by how
-- often a term occurs on the whole, and would read all users where those who match are far behind. What is read of
-- `found` is gathered once, as far as it is read.
with found as materialized (
    select user_id, {key} as key from {found}
), near as materialized (
    select user_id, key
    from (select user_id, {key} as key, status, search from users
          where {after}
          order by {key} {order}, user_id {order}
          limit %(near)s) as u
    where {match}
    order by key {order}, user_id {order}
    limit %(most)s
), exact as (
    select user_id from users
    where user_id = any(%(exact)s) and (%(status)s::text is null or status = %(status)s)
), page as (
    select array_position(%(exact)s::text[], user_id) as rank, user_id, '' as key from exact
    union all
    select 9, user_id, key from near where (select count(*) from near) = %(most)s
    union all
    (select 9, user_id, key from found
     where (select count(*) from near) < %(most)s and {after_key}
     order by key {order}, user_id {order} limit %(most)s)
)
select a.position, t.count, t.estimated, u.user_id, p.key, u.doc::text
from (select min(position) as position from projections where name in ('users', 'by_email', 'by_external_id')) a
cross join ({total}) t
left join (
    (select * from page order by rank, key {order}, user_id {order}
     limit %(count)s offset %(offset)s) p
    join users u using (user_id)
) on true
order by p.rank, p.key {order}, p.user_id {order}
