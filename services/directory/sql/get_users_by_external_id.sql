-- Users by external id, and how far both projections are. Lateral: planned while there were few, it would read all users to
-- join them.
select a.position, e.external_id, u.doc::text
from (select min(position) as position from projections where name in ('users', 'by_external_id')) a
left join (
    by_external_id e cross join lateral (select doc from users where user_id = e.user_id limit 1) u
) on e.external_id = any(%s)
