-- Users by the canonical key of their address, and how far both projections are.
select a.position, e.email_key, u.doc::text
from (select min(position) as position from projections where name in ('users', 'by_email')) a
left join (by_email e join users u using (user_id)) on e.email_key = any(%s)
