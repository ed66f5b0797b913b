-- A page of attempts to sign in, newest first; the position of the last of it, and whether there are older ones.
with page as (
    select position, time, outcome, ip, user_agent from login_history
    where user_id = %(user_id)s and (%(before)s::bigint is null or position < %(before)s)
    order by position desc
    limit %(count)s::bigint + 1
), shown as (select * from page order by position desc limit %(count)s::bigint)
select a.position,
       (select coalesce(json_agg(json_build_object(
            'time', to_char(time at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'outcome', outcome, 'ip', ip, 'userAgent', user_agent) order by position desc), '[]')
        from shown)::text,
       (select min(position) from shown),
       (select count(*) from page) > %(count)s::bigint
from (select position from projections where name = 'login_history') a
