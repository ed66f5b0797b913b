-- A document never goes back: events that are applied again change nothing, and count nothing twice.
with moved as (
    insert into users (user_id, status, doc, login_position, email, name, search)
    select user_id, status, doc, login_position, email, name, search
    from json_to_recordset(%s::json) as u (
        user_id text, status text, doc json, login_position bigint, email text, name text, search text
    )
    on conflict (user_id) do update
    set status = excluded.status, doc = excluded.doc, login_position = excluded.login_position,
        email = excluded.email, name = excluded.name, search = excluded.search
    where (excluded.doc ->> 'version')::integer > (users.doc ->> 'version')::integer
        or excluded.login_position > users.login_position
    returning old.status as was, new.status as now
)
insert into user_counts (status, count)
select status, sum(change)
from (select was, -1 from moved where was is not null union all select now, 1 from moved) as moves (status, change)
group by status
having sum(change) <> 0
on conflict (status) do update set count = user_counts.count + excluded.count
