-- A page of a search that few users match: all are gathered once, counted and sorted.
with found as materialized (
    select user_id, {key} as key from {found}
), exact as (
    select user_id from users
    where user_id = any(%(exact)s) and (%(status)s::text is null or status = %(status)s)
), page as (
    select array_position(%(exact)s::text[], user_id) as rank, user_id, '' as key from exact
    union all
    (select 9, user_id, key from found where {after_key}
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
