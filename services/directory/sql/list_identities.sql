-- The linked accounts of a user, as the user's document has them; null where there is no such user.
select a.position, (select doc -> 'identities' from users where user_id = %s)::text
from (select position from projections where name = 'users') a
