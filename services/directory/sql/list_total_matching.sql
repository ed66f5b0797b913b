-- How many are found, of whom the exact ones are counted apart: all where there are no more than 10,000, else more.
select case when gathered.count > 10000 then greatest(gathered.count, %(estimate)s::bigint) else gathered.count end
     + (select count(*) from users
        where user_id = any(%(apart)s) and (%(status)s::text is null or status = %(status)s)) as count
from (select count(*) from (select from found limit 10001) as some_of_them) as gathered
