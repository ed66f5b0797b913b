-- The position that the projection shows; how often a user had signed in by a time, when last, and whence. One row is read
-- of the user's logins, however many there are. In a stream no event is recorded before an earlier one.
select a.position, coalesce(l.succeeded, 0), to_char(l.time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), l.ip
from (select position from projections where name = 'login_history') a
left join (
    select succeeded, time, ip from login_history
    where user_id = %s and outcome = 'succeeded' and time <= %s
    order by time desc, position desc
    limit 1
) l on true
