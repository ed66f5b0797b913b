-- The number of users gathered, and of those listed apart from them.
select (select count(*) from found)
     + (select count(*) from users
        where user_id = any(%(apart)s) and (%(status)s::text is null or status = %(status)s)) as count,
       false as estimated
