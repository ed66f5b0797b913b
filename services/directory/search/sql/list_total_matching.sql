-- How many are found: counted where all had to be gathered for the page.
select case when estimated then %(estimate)s::bigint
            else (select count(*) from found)
               + (select count(*) from users
                  where user_id = any(%(apart)s) and (%(status)s::text is null or status = %(status)s)) end as count,
       estimated
from (select %(edge)s::text is not null or (select count(*) from near) = %(most)s as estimated) as e
