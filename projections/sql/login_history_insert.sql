-- Attempts of one batch. Each carries the number of times that its user had signed in by then: from the user's last
-- attempt before the batch, so that a batch that is applied again, or in part, comes to the same numbers.
insert into login_history (user_id, position, time, outcome, ip, user_agent, succeeded)
select b.user_id, b.position, b.time, b.outcome, b.ip, b.user_agent, coalesce(before.succeeded, 0) + b.succeeded
from (
    select l.*,
           min(position) over (partition by user_id) as first,
           count(*) filter (where outcome = 'succeeded') over (partition by user_id order by position) as succeeded
    from json_to_recordset(%s::json)
        as l (user_id text, position bigint, time timestamptz, outcome text, ip text, user_agent text)
) b
left join lateral (
    select h.succeeded from login_history h
    where h.user_id = b.user_id and h.position < b.first
    order by h.position desc
    limit 1
) before on true
on conflict (user_id, position) do nothing
