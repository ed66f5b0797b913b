-- The position that the projection shows; how often a user had signed in by a time, when last, and whence.
select a.position, l.*
from (select position from projections where name = 'login_history') a,
     (select count(*), to_char(max(time) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
             (array_agg(ip order by position desc))[1]
      from login_history
      where user_id = %s and outcome = 'succeeded' and time <= %s) l
