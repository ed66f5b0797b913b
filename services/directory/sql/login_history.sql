-- A page of attempts to sign in, newest first, and one more; the position that is shown, and whether there is such a user,
-- stand in each row, and there is one at least.
select a.position, exists (select from users where user_id = %(user_id)s), l.position,
       json_build_object(
           'time', to_char(l.time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'outcome', l.outcome, 'ip', l.ip, 'userAgent', l.user_agent)::text
from (select min(position) as position from projections where name in ('login_history', 'users')) a
left join (
    select position, time, outcome, ip, user_agent from login_history
    where user_id = %(user_id)s and (%(before)s::bigint is null or position < %(before)s)
    order by position desc
    limit %(count)s::bigint + 1
) l on true
order by l.position desc
