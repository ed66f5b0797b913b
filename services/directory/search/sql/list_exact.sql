-- The users who have exactly this address or external id.
select user_id
from (select 1 as rank, user_id from by_email where email_key = %(email_key)s
      union all
      select 2, user_id from by_external_id where external_id = %(external_id)s) as exact
order by rank
