-- How often a user had signed in by a time, when last, and whence.
select count(*), to_char(max(time) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       (array_agg(ip order by position desc))[1]
from login_history
where user_id = %s and outcome = 'succeeded' and time <= %s
