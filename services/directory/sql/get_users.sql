-- Users by id, and how far the projection is: one snapshot, so the answer shows exactly that position.
select a.position, u.user_id, u.doc::text
from (select position from projections where name = 'users') a
left join users u on u.user_id = any(%s)
