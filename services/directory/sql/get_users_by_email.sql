-- Users by the canonical key of their address, and how far both projections are. Lateral: planned while there were few, it
-- would read all users to join them.
select a.position, e.email_key, u.doc::text
from (select min(position) as position from projections where name in ('users', 'by_email')) a
left join (
    by_email e cross join lateral (select doc from users where user_id = e.user_id limit 1) u
) on e.email_key = any(%s)
