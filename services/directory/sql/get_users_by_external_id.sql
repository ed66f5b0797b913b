-- Users by external id, and how far both projections are.
select a.position, e.external_id, u.doc::text
from (select min(position) as position from projections where name in ('users', 'by_external_id')) a
left join (by_external_id e join users u using (user_id)) on e.external_id = any(%s)
