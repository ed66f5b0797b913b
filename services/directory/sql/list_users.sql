-- A page, newest first (ids are UUIDv7, which sort by time), the number of all, and how far the projection is.
with asked as (select %s::text as status, %s::bigint as count, %s::bigint as start)
select a.position,
       (select count(*) from users where asked.status is null or users.status = asked.status),
       (select coalesce(json_agg(doc), '[]')
        from (select doc from users
              where asked.status is null or users.status = asked.status
              order by user_id desc
              limit asked.count offset asked.start) as page)::text
from asked cross join (select position from projections where name = 'users') a
