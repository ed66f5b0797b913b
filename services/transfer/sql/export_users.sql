-- Users that match, oldest first; the hashes of their passwords only where they were asked for.
select u.doc::text, case when %(hashes)s then p.hash end
from users u
left join passwords p on %(hashes)s and p.user_id = u.user_id
where (%(status)s::text is null or u.status = %(status)s)
    and (%(after)s::text is null or u.doc ->> 'createdAt' >= %(after)s)
    and (%(before)s::text is null or u.doc ->> 'createdAt' < %(before)s)
    and {found}
order by u.user_id
